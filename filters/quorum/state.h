// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What all parts of a quorum share: who its children are, who may do what at
// the same time, and how faults are counted and reported.
//
// The range lock is also what makes changes of membership safe: a request looks
// at `children` only while it holds some range (or the lane of flushes), and a
// change of membership holds everything.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "common/core/compare.h"
#include "common/core/dirty_bitmap.h"
#include "common/device/range_lock.h"
#include "common/device/request.h"
#include "common/thread/clock.h"
#include "filters/quorum/child.h"
#include "filters/quorum/flush_turns.h"
#include "filters/quorum/observer.h"
#include "filters/quorum/options.h"
#include "filters/quorum/unflushed_data.h"

namespace resilience::quorum {

class Memory;

class State {
public:
    State(Options options, std::uint64_t size, Observer& observer, Clock& clock);

    const Options options;
    const std::uint64_t size;  ///< bytes
    Clock& clock;
    Observer& observer;
    /// What outlives this server; null: nothing does.  Set before use.
    Memory* memory = nullptr;
    /// The devices are being stopped: what they fail from now on says nothing of them.
    std::atomic<bool> ending{false};

    std::size_t threshold() const { return options.threshold; }
    /// The least that can be read or written of every child: a sector, or a larger block.
    std::uint64_t block() const { return std::max(alignment_.load(), sector_size); }

    // ---- locks

    /// A range, widened to the block size of the children: a child that
    /// rewrites whole blocks touches its neighbours.  False guard after a
    /// deadline that only a bug can reach.
    RangeLock::Guard lock(ByteRange range, LockMode mode);
    /// The same, only if nobody is there.
    RangeLock::Guard try_lock(ByteRange range, LockMode mode);
    RangeLock::Guard lock_lane() { return range_lock_.acquire_lane(lock_deadline()); }
    RangeLock::Guard lock_all() { return range_lock_.acquire_all(lock_deadline()); }
    TimePoint lock_deadline() const;

    // ---- children; the caller holds a guard

    const Children& children() const { return children_; }
    /// Those that may be believed about `range`.
    Children voters(ByteRange range) const;
    /// Those that may be asked; the others are appended to `absent` if given.
    Children reachable(Children* absent = nullptr) const;
    /// The caller holds lock_all().
    void replace_children(Children children);

    /// A copy of the list for those that hold no guard (status, housekeeping).
    Children snapshot() const;

    // ---- what children may forget

    FlushTurns flush_turns;
    /// Of a flush that failed as a whole and that no client has asked for; 0: none.  The
    /// next client that flushes gets it: its writes may be lost, and only this said so.
    std::atomic<int> untold_flush_error{0};
    UnflushedData unflushed;
    /// Whether there is, or was, a child that can forget.
    bool keeps_unflushed() const { return keeps_unflushed_.load(std::memory_order_relaxed); }

    // ---- reports

    void report_error(Child& child, Fault fault, ByteRange range, int error);
    void report_mismatch(Child& child, ByteRange range, std::span<const std::byte> right,
                         std::span<const std::byte> wrong);
    void report_failure(ByteRange range) { observer.failure(range); }

    /// Whether this is the time to measure again; then it is not for `interval`.
    bool time_to_measure(Duration interval);

    /// Corrupt ranges to be rewritten in the background; may be called from a
    /// completion.
    void heal_later(ByteRange range);
    std::vector<ByteRange> take_heals();
    /// Called when there is one, or wake_worker() is called, on any thread; must not
    /// block.  Null: not any more.
    void on_heal(std::function<void()> wake);
    void wake_worker();

private:
    RangeLock::Guard lock(ByteRange range, LockMode mode, TimePoint deadline);

    std::atomic<TimePoint> measure_at_{TimePoint{}};
    RangeLock range_lock_;
    Children children_;
    // What lock() has to know of the children before it holds anything.  Both
    // only grow, so it does not matter whether a change is seen in time.
    std::atomic<std::uint64_t> alignment_{1};
    std::atomic<Duration> slowest_;
    std::atomic<bool> keeps_unflushed_{false};  // once it does, it goes on
    mutable std::mutex snapshot_mutex_;
    std::mutex heal_mutex_;
    std::vector<ByteRange> heals_;
    std::function<void()> heal_wanted_;
};

inline ByteRange range_of(const Request& request)
{
    return {request.offset, request.end()};
}

}  // namespace resilience::quorum
