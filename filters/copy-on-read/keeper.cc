// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/keeper.h"

namespace resilience::cor {

namespace {

constexpr std::chrono::milliseconds tick{200};
constexpr std::chrono::seconds sync_interval{5};

}  // namespace

void Keeper::stop()
{
    if (thread_.running()) {
        thread_.stop(BackgroundThread::no_limit);
        check_complete();
        sync();
    }
}

TimePoint Keeper::turn()
{
    const TimePoint now = real_clock().now();
    check_complete();
    if (now >= next_sync_) {
        sync();
    }
    if (now >= next_sync_ || next_sync_ == TimePoint::max()) {
        next_sync_ = real_clock().now() + sync_interval;
    }
    return real_clock().now() + tick;
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
