// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <memory>

#include "common/device/range_lock.h"
#include "filters/copy-on-read/depth.h"
#include "filters/copy-on-read/fetch.h"
#include "filters/copy-on-read/local_copy.h"
#include "filters/copy-on-read/options.h"
#include "filters/copy-on-read/reporter.h"
#include "filters/copy-on-read/source.h"
#include "filters/copy-on-read/trace.h"

namespace resilience::cor {

/// The parts that requests, the stream and the control socket work with.
struct Engine {
    Engine(Options o, std::unique_ptr<LocalCopy> copy, Source::Setup source_setup,
           EventBus& events)
        : options(std::move(o)),
          reporter(events),
          local(std::move(copy)),
          source(std::move(source_setup), reporter, counters),
          lock(real_clock()),
          fetches(*local, source, reporter, counters),
          depth(source, local->map(), options.max_depth)
    {
    }

    TimePoint source_deadline() const { return real_clock().now() + options.timeout; }
    /// Others who hold the lock may be waiting for the source: one who fetches,
    /// and another one behind a writer who waits for the first.
    TimePoint lock_deadline() const { return real_clock().now() + 3 * options.timeout; }
    RangeLock::Guard lock_clusters(Clusters range, LockMode mode, TimePoint deadline)
    {
        return lock.acquire(local->map().begin_of(range.first), local->map().end_of(range.last),
                            mode, deadline);
    }

    const Options options;
    Counters counters;
    Reporter reporter;
    const std::unique_ptr<LocalCopy> local;
    Source source;
    RangeLock lock;  ///< whole clusters; see fetch.h
    Fetches fetches;
    Depth depth;
    std::unique_ptr<Trace> trace;           ///< null: not wanted
    std::atomic<unsigned> guests_waiting{0};  ///< requests that wait for the source
};

}  // namespace resilience::cor
