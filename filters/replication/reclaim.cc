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

void Reclaim::start()
{
    thread_ = start_thread("repl-reclaim", [this] { run(); });
    wake();  // the files may be full of what was emptied before a crash
}

void Reclaim::stop()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Reclaim::wake()
{
    const std::lock_guard lock(mutex_);
    wanted_ = true;
    changed_.notify_all();
}

bool Reclaim::stopped()
{
    const std::lock_guard lock(mutex_);
    return stopping_;
}

void Reclaim::run()
{
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait_for(lock, patience, [this] { return stopping_; });
        if (stopping_) {
            return;
        }
        const bool wanted = std::exchange(wanted_, false);
        lock.unlock();
        if (wanted) {
            clean(*core_->hidden);
            clean(*core_->active);
        }
        if (core_->changes) {
            core_->changes->settle();
        }
        lock.lock();
    }
}

void Reclaim::clean(Layer& layer)
{
    for (auto at = layer.next_space(0); at && *at < layer.size() && !stopped();) {
        const std::uint64_t begin = *at / window_bytes * window_bytes;
        const std::uint64_t end = std::min(layer.size(), begin + window_bytes);
        {
            const auto guard = core_->lock_range(begin, end, LockMode::exclusive);
            if (!guard) {
                return;  // the disk hangs; another time
            }
            layer.give_back({begin, end});
        }
        at = layer.next_space(end);
    }
}

}  // namespace resilience::replication
