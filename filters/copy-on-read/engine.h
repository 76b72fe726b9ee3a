// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

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

/// Fetches ranges ahead of their use, many at a time, on one thread: for the
/// stream, the trace and NBD_CMD_CACHE.
///
/// Used by one thread.  While something is in flight, guests' writes there wait
/// for it, so drain() before any pause.
class Pipeline {
public:
    /// `depth`: asked before each piece, how many may be in flight (at least 1).
    Pipeline(Engine& engine, std::function<unsigned()> depth)
        : engine_(engine), depth_(std::move(depth))
    {
    }
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;
    ~Pipeline() { drain(); }

    /// Starts fetching what is absent of `range`, at most largest_fetch bytes of
    /// it (or one cluster); first waits for older ones while too many are in
    /// flight.  Returns where it got to: the rest is for the next call.
    std::uint64_t add(Clusters range);
    /// Waits for all that is in flight.
    void drain();
    /// The first error since the last call, or 0.
    int take_error() { return std::exchange(error_, 0); }

private:
    struct Piece {
        RangeLock::Guard guard;
        Segments segments;
    };

    bool lock(Piece& piece, Clusters range);
    void settle_oldest();
    void note(int error);

    Engine& engine_;
    std::function<unsigned()> depth_;
    std::deque<Piece> flying_;
    int error_ = 0;
};

}  // namespace resilience::cor
