// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/reclaim.h"

#include <algorithm>
#include <utility>

#include "common/device/thread_start.h"

namespace resilience::replication {

namespace {

constexpr std::chrono::seconds patience{3};
/// How much is locked at a time.
constexpr std::uint64_t window_bytes = 4 << 20;

}  // namespace

Reclaim::Reclaim(std::shared_ptr<Core> core) : state_(std::make_shared<State>())
{
    state_->core = std::move(core);
}

void Reclaim::start()
{
    thread_ = start_thread("repl-reclaim", [state = state_] { state->run(); });
    wake();  // the files may be full of what was emptied before a crash
}

void Reclaim::stop(std::chrono::milliseconds limit)
{
    if (!thread_.joinable()) {
        return;
    }
    std::unique_lock lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
    const bool ended = state_->changed.wait_for(lock, limit, [this] { return state_->ended; });
    lock.unlock();
    if (ended) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

void Reclaim::wake()
{
    const std::lock_guard lock(state_->mutex);
    state_->wanted = true;
}

bool Reclaim::State::stopped()
{
    const std::lock_guard lock(mutex);
    return stopping;
}

void Reclaim::State::run()
{
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, patience, [this] { return stopping; })) {
        const bool now = std::exchange(wanted, false);
        lock.unlock();
        if (now) {
            clean(*core->hidden);
            clean(*core->active);
        }
        if (core->changes) {
            core->changes->settle();
        }
        lock.lock();
    }
    ended = true;
    changed.notify_all();
}

void Reclaim::State::clean(Layer& layer)
{
    for (auto at = layer.next_space(0); at && *at < layer.size() && !stopped();) {
        const std::uint64_t begin = *at / window_bytes * window_bytes;
        const std::uint64_t end = std::min(layer.size(), begin + window_bytes);
        {
            const auto guard = core->lock_range(begin, end, LockMode::exclusive);
            if (!guard) {
                return;  // the disk hangs; another time
            }
            layer.give_back({begin, end});
        }
        at = layer.next_space(end);
    }
}

}  // namespace resilience::replication
