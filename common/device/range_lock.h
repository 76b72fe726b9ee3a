// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>

#include "common/core/range_lock_table.h"
#include "common/thread/clock.h"

namespace resilience {

/// Serialises overlapping requests of all connections (see RangeLockTable for
/// the rule and the reason).  Thread-safe.
class RangeLock {
public:
    explicit RangeLock(Clock& clock) : clock_(clock) {}

    /// Holds a range until it is destroyed or release() is called.
    class Guard {
    public:
        Guard() = default;
        Guard(Guard&& other) noexcept : lock_(other.lock_), handle_(other.handle_)
        {
            other.lock_ = nullptr;
        }
        Guard& operator=(Guard&& other) noexcept;
        ~Guard() { release(); }

        /// False if the deadline came first.
        explicit operator bool() const { return lock_ != nullptr; }
        void release();

    private:
        friend class RangeLock;
        Guard(RangeLock& lock, RangeLockTable::Handle handle) : lock_(&lock), handle_(handle) {}

        RangeLock* lock_ = nullptr;
        RangeLockTable::Handle handle_;
    };

    /// Waits for bytes [begin, end), at the longest until `deadline`.
    Guard acquire(std::uint64_t begin, std::uint64_t end, LockMode mode, TimePoint deadline);

    /// Everything, including what has no range (acquire_lane): nobody else is
    /// inside while this is held exclusively.
    Guard acquire_all(TimePoint deadline) { return acquire(0, lane_end, LockMode::exclusive, deadline); }

    /// For requests without a range, such as flush: excludes acquire_all only.
    Guard acquire_lane(TimePoint deadline)
    {
        return acquire(lane_begin, lane_end, LockMode::shared, deadline);
    }

private:
    // A byte that no device can have (sizes are below 2^63).
    static constexpr std::uint64_t lane_end = std::numeric_limits<std::uint64_t>::max();
    static constexpr std::uint64_t lane_begin = lane_end - 1;

    void remove(RangeLockTable::Handle handle);

    Clock& clock_;
    std::mutex mutex_;
    std::condition_variable granted_;  // one for all: requests rarely overlap
    RangeLockTable table_;
};

}  // namespace resilience
