// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What happened to one sector, and whether a disk could have done that.
//
// NBD promises for requests that overlap in time that they happen in some
// order, and for the others that they happen in the order of time.  So a sector
// is an atomic register, and a history of it is right if there is one order of
// its writes and reads that agrees with time and in which each read returns the
// write before it.
//
// Since each write has a value of its own, finding that order takes no search
// (P. B. Gibbons and E. Korach, Testing Shared Memories, 1997).  Take a write
// and all reads that returned it: the time from the first end to the last start
// among them is when this value must have been in place (a "forward" zone), or,
// if every one of them overlaps with every other, the time within which they
// may all happen at once (a "backward" zone).  The history is right if and only
// if no read ends before its write starts, no two forward zones overlap, and no
// backward zone lies within a forward zone.
//
// Zeroes are not told apart.  Reads of zeroes are checked one by one, each
// against any write of zeroes that would explain it; that misses some wrong
// orders among zeroes, and never calls a right one wrong.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace resilience::test {

/// Counts what the client does and sees: requests sent and answers received.
using Moment = std::uint64_t;
inline constexpr Moment never = std::numeric_limits<Moment>::max();

/// A write's number; 0 stands for zeroes.
using Value = std::uint64_t;

class SectorHistory {
public:
    struct Access {
        Value value;
        Moment start;
        Moment end;    ///< never: it failed, and may happen at any time, or not at all
        bool is_read;
    };

    void wrote(Value value, Moment start, Moment end) { add({value, start, end, false}); }
    void read(Value value, Moment start, Moment end) { add({value, start, end, true}); }
    const std::vector<Access>& accesses() const { return accesses_; }

    /// What is wrong, in words; nothing if all is right.  The sector held zeroes
    /// before moment 1.
    std::optional<std::string> violation() const;

private:
    void add(const Access& access) { accesses_.push_back(access); }

    std::vector<Access> accesses_;
};

}  // namespace resilience::test
