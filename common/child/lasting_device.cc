// SPDX-License-Identifier: BSD-3-Clause
#include "common/child/lasting_device.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "common/child/lasting_state.h"
#include "common/core/log.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds destructor_limit{100};

/// A user of what is open, for the time of one call.
class Use {
public:
    explicit Use(LastingState& state) : state_(state), device_(state.enter(1)) {}
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() { state_.leave(1); }
    Device* device() const { return device_; }

private:
    LastingState& state_;
    Device* const device_;
};

std::shared_ptr<LastingState> opened_state(const ChildSpec& spec, const OpenOptions& options)
{
    OpenedChild child = open_child_parts(spec, options);
    const ExpectedDevice expected{child.device->size(), child.device->capabilities(),
                                  child.device->block_limits()};
    return std::make_shared<LastingState>(spec, options, expected, std::move(child), "");
}

}  // namespace

LastingDevice::LastingDevice(std::shared_ptr<LastingState> state)
    : state_(std::move(state)),
      worker_("child-open", [shared = state_](const auto&) { return shared->turn(); }),
      watchdog_("child-watch", [shared = state_](const auto&) { return shared->watch(); })
{
}

LastingDevice::LastingDevice(const ChildSpec& spec, const OpenOptions& options)
    : LastingDevice(opened_state(spec, options))
{
}

LastingDevice::LastingDevice(const ChildSpec& spec, const OpenOptions& options,
                             const ExpectedDevice& expected, std::string why)
    : LastingDevice(std::make_shared<LastingState>(spec, options, expected, OpenedChild{},
                                                   std::move(why)))
{
}

LastingDevice::~LastingDevice()
{
    stop(destructor_limit);
}

std::string LastingDevice::describe() const
{
    return state_->spec.text;
}

std::uint64_t LastingDevice::size() const
{
    return state_->expected.size;
}

Capabilities LastingDevice::capabilities() const
{
    Capabilities all = state_->expected.capabilities;
    all.forgets_unflushed = !state_->is_path;
    return all;
}

BlockLimits LastingDevice::block_limits() const
{
    return state_->expected.blocks;
}

int LastingDevice::execute(Request& request)
{
    const Use use(*state_);
    return use.device() ? use.device()->execute(request) : state_->refusal();
}

void LastingDevice::submit(std::shared_ptr<Request> request, Completion done)
{
    // Two users: this call, and the request, which may end while this call has not.
    const int users = 2;
    Device* const device = state_->enter(users);
    if (!device) {
        state_->leave(users);
        done(state_->refusal());
        return;
    }
    if (!state_->is_path) {
        device->submit(std::move(request), std::move(done));
        return;
    }
    device->submit(std::move(request), [state = state_, done = std::move(done)](int error) {
        done(error);
        state->leave(1);
    });
    state_->leave(1);
}

std::optional<int> LastingDevice::execute_now(Request& request)
{
    const Use use(*state_);
    if (!use.device()) {
        return state_->refusal();
    }
    const auto result = use.device()->execute_now(request);
    if (!result) {
        state_->ask_again(*use.device(), request.op);
    }
    return result;
}

bool LastingDevice::immediate(Op op) const
{
    return state_->immediate(op);
}

Link LastingDevice::link() const
{
    return state_->link();
}

std::string LastingDevice::link_error() const
{
    return state_->link_error();
}

void LastingDevice::resume()
{
    state_->resume();
}

Progress LastingDevice::progress() const
{
    if (state_->is_path) {
        return {};
    }
    const Use use(*state_);
    return use.device() ? use.device()->progress() : Progress{};
}

int LastingDevice::invalidate_cache()
{
    const Use use(*state_);
    return use.device() ? use.device()->invalidate_cache() : state_->refusal();
}

bool LastingDevice::is_as_before() const
{
    return state_->is_as_before();
}

bool LastingDevice::may_be_as_before() const
{
    return !state_->is_path || is_as_before();
}

bool LastingDevice::read_early(std::vector<EarlyRead>& reads, TimePoint deadline)
{
    const OpenedChild child = state_->opened();
    if (child.nbd) {
        const std::uint64_t block = child.nbd->block_limits().minimum;
        const bool whole = std::ranges::all_of(reads, [block](const EarlyRead& read) {
            return block <= 1 || (read.offset % block == 0 && read.content.size % block == 0);
        });
        return whole && child.nbd->read_early(reads, deadline);
    }
    if (!child.device) {
        return false;
    }
    const auto work = [device = child.device, copies = reads]() mutable {
        for (EarlyRead& read : copies) {
            Request request;
            request.offset = read.offset;
            request.length = read.content.size;
            request.into = read.content.span();
            read.error = device->execute(request);
        }
        return copies;
    };
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - real_clock().now());
    auto done = call_with_deadline<std::vector<EarlyRead>>("child-read", work, left);
    if (done) {
        reads = std::move(*done);
    }
    return done.has_value();
}

void LastingDevice::start()
{
    state_->start();
    if (!state_->needs_worker()) {
        return;
    }
    try {
        worker_.start();
        if (state_->is_path) {
            watchdog_.start();
        }
    } catch (const std::system_error& error) {
        log::error("{}: no thread can be started to watch over it: {}", describe(), error.what());
    }
}

void LastingDevice::stop(milliseconds limit)
{
    const auto deadline = real_clock().now() + limit;
    state_->stop(limit / 2);
    watchdog_.stop(BackgroundThread::no_limit);
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - real_clock().now());
    worker_.stop(std::max(left, milliseconds(0)));
}

}  // namespace resilience
