// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where a child is known to be wrong, or to be unreadable, and nobody has put
// that right yet: a vote has shown it.  Exact to the sector, so that the heal of
// what a read of 4 KiB has found wrong leaves nothing behind.
//
// It changes nothing of what is read or voted on: it is for people.  A vote that
// is held again can find the child right (somebody has mended it), and then the
// place is forgotten, as when it is written.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "common/core/interval_set.h"
#include "common/core/vote.h"

namespace resilience::quorum {

class Child;

/// In memory only; bounded as an IntervalSet is.  Safe to call from any thread;
/// remove() costs one load where nothing is known.
class Differences {
public:
    explicit Differences(std::uint64_t size) : wrong_(size), unread_(size) {}

    /// It could not be read there.
    void add_unread(ByteRange range);
    /// It is opened anew, or connected to again: who knows what can be read now.
    void forget_unread();
    /// The sectors in which the two differ that stand at byte `offset` of the device.
    void add_where(std::span<const std::byte> right, std::span<const std::byte> wrong,
                   std::uint64_t offset);
    void remove(ByteRange range);

    bool any() const { return any_.load(std::memory_order_acquire); }
    /// Ascending, with gaps between them.
    std::vector<ByteRange> ranges() const;

private:
    void note_any() { any_ = !wrong_.empty() || !unread_.empty(); }

    mutable std::mutex mutex_;
    IntervalSet wrong_;
    IntervalSet unread_;
    std::atomic<bool> any_{false};
};

/// What a child has said in a vote on a range.
struct Heard {
    Child* child = nullptr;
    int error = 0;                    ///< errno
    std::span<const std::byte> data;  ///< the whole range, where error is 0
};

/// Takes note of what a vote on `range` has shown of each child.  `heard` is in
/// the order of the ballots.  The caller holds the range.
void note_vote(ByteRange range, std::span<const Heard> heard, const Vote& vote);

}  // namespace resilience::quorum
