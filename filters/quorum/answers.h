// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the voters answer to a read.
//
// Nearly always all replicas agree, and often they are in the page cache.  For
// that case there is read_together(): it goes through the request in pieces
// that fit the processor's cache, reads a piece from the first voter straight
// into the client's buffer, the same piece from each other voter into one
// scratch buffer, and compares.  No allocation, no copy, no other thread.
//
// At the first piece where that does not work (a difference, an error, a voter
// that would have to wait) it stops.  What each voter has answered so far is
// kept, not asked again: the answer that differed is the one that is voted on
// and reported, even if the same read would come out right a moment later.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/core/vote.h"
#include "common/device/buffer_pool.h"
#include "common/device/request.h"
#include "common/thread/clock.h"
#include "filters/quorum/child.h"
#include "filters/quorum/fanout.h"

namespace resilience::quorum {

struct Answer {
    ChildPtr child;
    int error = 0;
    std::size_t filled = 0;  ///< bytes of the request it has answered
    Buffer data;             ///< of the request's length; empty until it is needed
    /// It failed, and was asked again for blocks: those of all that it could not read,
    /// or was not asked for.  Empty: it was not.
    std::vector<bool> unreadable = {};

    /// Whether its answer for this block is in `data`.
    bool readable(std::size_t block) const
    {
        return error == 0 || (!unreadable.empty() && !unreadable[block]);
    }
};

/// The blocks of which a range consists, by the device's boundaries: the first and the
/// last may be short.
class Blocks {
public:
    Blocks(ByteRange range, std::uint64_t size) : range_(range), size_(size) {}
    std::size_t count() const { return (range_.end - 1) / size_ - range_.begin / size_ + 1; }
    ByteRange operator[](std::size_t i) const
    {
        const std::uint64_t begin = (range_.begin / size_ + i) * size_;
        return {std::max(begin, range_.begin), std::min(begin + size_, range_.end)};
    }

private:
    ByteRange range_;
    std::uint64_t size_;
};

class Answers {
public:
    Answers(Children voters, ByteRange range);
    /// Of reads of `range` that have all been answered or given up.
    Answers(const std::vector<Slot>& slots, ByteRange range);
    /// To be asked, too, unless they have been.
    void add(const Children& more);

    /// Reads into `into` (the whole range) as said above.  True: all voters
    /// agree on all of it, and it is there.  False: call read_separately().
    bool read_together(std::span<std::byte> into);

    /// Reads what is still missing, each voter into a buffer of its own.
    /// Waits for each at most until its deadline.  `measure`: see Fanout::measure().
    void read_separately(Clock& clock, bool measure = false);

    /// Asks those that failed, and may do better with less at a time, for halves of `part`,
    /// and halves of those that fail, down to single blocks.  It begins and ends with
    /// blocks of the range.  Who is not through with that by `deadline` is given up.
    void read_blocks(Clock& clock, std::uint64_t block, ByteRange part, TimePoint deadline);

    Vote vote(std::size_t threshold) const;

    std::vector<Answer>& list() { return answers_; }
    const std::vector<Answer>& list() const { return answers_; }
    ByteRange range() const { return range_; }

private:
    bool read_piece(std::span<std::byte> into, std::size_t at, std::size_t length);
    /// Blocks [first, end) of the range, of one answer.
    struct Portion {
        std::size_t answer;
        std::size_t first;
        std::size_t end;
    };

    void ask(ChildPtr child);
    std::vector<Portion> read_portions(Clock& clock, std::uint64_t block,
                                       const std::vector<Portion>& portions);
    void keep_prefix(std::span<const std::byte> agreed);
    Request read_request(std::size_t at, std::span<std::byte> into) const;

    ByteRange range_;
    std::vector<Answer> answers_;
};

}  // namespace resilience::quorum
