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

#include <cstddef>
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
};

class Answers {
public:
    Answers(Children voters, ByteRange range);

    /// Reads into `into` (the whole range) as said above.  True: all voters
    /// agree on all of it, and it is there.  False: call read_separately().
    bool read_together(std::span<std::byte> into);

    /// Reads what is still missing, each voter into a buffer of its own.
    /// Waits for each at most until its deadline.  `measure`: see Fanout::measure().
    void read_separately(Clock& clock, bool measure = false);

    Vote vote(std::size_t threshold) const;

    std::vector<Answer>& list() { return answers_; }
    ByteRange range() const { return range_; }

private:
    bool read_piece(std::span<std::byte> into, std::size_t at, std::size_t length);
    void keep_prefix(std::span<const std::byte> agreed);
    Request read_request(std::size_t at, std::span<std::byte> into) const;

    ByteRange range_;
    std::vector<Answer> answers_;
};

}  // namespace resilience::quorum
