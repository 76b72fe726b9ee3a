// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The order of the log, and how much of it can be read.
//
// Slots are reserved one behind the other and finished in any order, but readers of
// the log find an entry only by way of all those before it.  So what counts is how
// many are complete without a gap: up to the oldest slot in flight, or to the first
// entry that was not written and never will be.

#include <algorithm>
#include <cstdint>
#include <limits>

namespace resilience::logwrites {

/// Not thread-safe: all under the mutex of the writer.
class SlotList {
public:
    /// Entries that one thread is writing.  It stays where it is, on that thread's
    /// stack, from reserve() to finish().
    struct Slot {
        std::uint64_t first = 0;     ///< number of the first entry
        std::uint64_t count = 0;     ///< entries
        std::uint64_t position = 0;  ///< of the first header, bytes
        Slot* before = nullptr;      ///< in the order of the log, among those in flight
        Slot* behind = nullptr;
    };

    /// `next`: the number of the next entry.
    explicit SlotList(std::uint64_t next) : next_(next) {}

    /// The next `count` entries are those of `slot`.
    void reserve(Slot& slot, std::uint64_t count)
    {
        slot.first = next_;
        slot.count = count;
        next_ += count;
        slot.before = newest_;
        (newest_ != nullptr ? newest_->behind : oldest_) = &slot;
        newest_ = &slot;
    }

    /// Nobody is writing it any more.
    void finish(const Slot& slot)
    {
        (slot.before != nullptr ? slot.before->behind : oldest_) = slot.behind;
        (slot.behind != nullptr ? slot.behind->before : newest_) = slot.before;
    }

    /// The log ends before `entry`, for good.
    void end_before(std::uint64_t entry) { gap_ = std::min(gap_, entry); }

    /// How many entries are complete without a gap.
    std::uint64_t complete() const
    {
        return std::min(oldest_ != nullptr ? oldest_->first : next_, gap_);
    }
    /// How many will be, if all that are in flight are written.
    std::uint64_t reserved() const { return std::min(next_, gap_); }
    /// Whether the first `entries` entries can still become complete.
    bool can_complete(std::uint64_t entries) const { return entries <= gap_; }
    bool idle() const { return oldest_ == nullptr; }

private:
    std::uint64_t next_;
    std::uint64_t gap_ = std::numeric_limits<std::uint64_t>::max();
    Slot* oldest_ = nullptr;
    Slot* newest_ = nullptr;
};

}  // namespace resilience::logwrites
