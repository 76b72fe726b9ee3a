// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/keeper.h"

#include "common/thread/thread_start.h"

namespace resilience::cor {

namespace {

constexpr std::chrono::milliseconds tick{200};
constexpr std::chrono::seconds sync_interval{5};

}  // namespace

void Keeper::start()
{
    thread_ = start_thread("cor-keeper", [this] { run(); });
}

void Keeper::stop()
{
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            return;
        }
        stopping_ = true;
        changed_.notify_all();
    }
    if (!thread_.joinable()) {
        return;
    }
    thread_.join();
    check_complete();
    sync();
}

void Keeper::run()
{
    TimePoint next_sync = real_clock().now() + sync_interval;
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, tick, [this] { return stopping_; })) {
        lock.unlock();
        check_complete();
        if (real_clock().now() >= next_sync) {
            sync();
            next_sync = real_clock().now() + sync_interval;
        }
        lock.lock();
    }
}

void Keeper::sync()
{
    if (engine_.local->dirty()) {
        if (const int error = engine_.local->sync()) {
            engine_.reporter.sync_failed(engine_.local->path(), error);
        }
    }
    if (engine_.trace) {
        engine_.trace->save();
    }
}

void Keeper::check_complete()
{
    if (complete_ || engine_.local->map().absent_clusters() != 0) {
        return;
    }
    // Only when the map says so for good is the source let go.
    const bool known = engine_.local->header().complete;
    if (known || engine_.local->set_complete() == 0) {
        complete_ = true;
        engine_.source.close();
        if (!known) {
            engine_.reporter.complete(engine_.local->path(), engine_.local->size());
        }
    }
}

}  // namespace resilience::cor
