// SPDX-License-Identifier: BSD-3-Clause
#include "common/device/pending.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "common/device/buffer_pool.h"

namespace resilience {

/// What the sender and the device share.
struct Pending::State {
    Request request;  ///< the device's, until it has answered
    Ended ended;
    Clock& clock;

    std::mutex mutex;
    std::condition_variable answered;
    std::optional<int> error;
    TimePoint answered_at{};
    bool left = false;

    State(const Request& original, Ended callback, Clock& time)
        : request(original), ended(std::move(callback)), clock(time)
    {
    }

    void complete(int result)
    {
        // All of it under the lock: the sender must neither miss the answer
        // nor leave while it is being given.
        const std::lock_guard lock(mutex);
        error = result;
        answered_at = clock.now();
        if (ended) {
            ended(result, left);
        }
        answered.notify_one();
    }
};

Pending::Pending(Device& device, const Request& request, Ended ended, Clock& clock)
    : state_(std::make_shared<State>(request, std::move(ended), clock))
{
    Request& copy = state_->request;
    const bool reads = request.op == Op::read;
    if (const std::size_t size = reads ? request.length : request.from.size(); size != 0) {
        const Buffer buffer = take_buffer(size);
        copy.owner = buffer.memory;
        if (reads) {
            copy.into = buffer.span();
        } else {
            std::ranges::copy(request.from, buffer.memory.get());
            copy.from = buffer.span();
        }
    }
    device.submit(std::shared_ptr<Request>(state_, &copy),
                  [state = state_](int error) { state->complete(error); });
}

Pending::~Pending()
{
    const std::lock_guard lock(state_->mutex);
    state_->left = true;
}

std::optional<int> Pending::wait_until(TimePoint deadline)
{
    std::unique_lock lock(state_->mutex);
    const auto answered = [this] { return state_->error.has_value(); };
    if (!answered() && !state_->clock.wait_until(state_->answered, lock, deadline, answered)) {
        state_->left = true;
        return std::nullopt;
    }
    return state_->error;
}

std::span<const std::byte> Pending::data() const { return state_->request.into; }

ExtentList Pending::take_extents() { return std::move(state_->request.extents); }

TimePoint Pending::answered_at() const { return state_->answered_at; }

}  // namespace resilience
