// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "common/core/dirty_bitmap.h"

namespace resilience {

/// A set of bytes of a device, exact to the byte, as ranges.
///
/// It is for few ranges; memory is bounded all the same: when there are more
/// than `most`, near ones are joined, with what lies between them.  So a byte
/// that was added is never lost before it is removed, and a byte may be in the
/// set that was not added, but only when there are very many ranges.
///
/// Not thread-safe.
class IntervalSet {
public:
    /// `size`: of the device; what is beyond it cannot be in the set.
    explicit IntervalSet(std::uint64_t size, std::size_t most = 1 << 16);

    void add(ByteRange range);
    void remove(ByteRange range);

    bool empty() const { return ranges_.empty(); }
    /// How many bytes are in the set.
    std::uint64_t bytes() const { return bytes_; }
    /// Whether any byte of `range` is in the set.
    bool overlaps(ByteRange range) const;
    /// The parts of `range` that are not in the set, ascending.
    std::vector<ByteRange> gaps(ByteRange range) const;
    /// The set as ranges, ascending, with gaps between them.
    std::vector<ByteRange> ranges() const;

private:
    using Ranges = std::map<std::uint64_t, std::uint64_t>;  // begin -> end

    Ranges::const_iterator first_ending_after(std::uint64_t position) const;
    void coarsen();

    std::uint64_t size_;
    std::size_t most_;
    std::uint64_t bytes_ = 0;
    Ranges ranges_;
};

}  // namespace resilience
