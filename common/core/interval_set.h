// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "common/core/dirty_bitmap.h"

namespace resilience {

/// A set of byte ranges in bounded memory: "where was something written since
/// the last flush".
///
/// Ranges are rounded outwards to a granularity and merged.  When there are
/// more than `max_intervals` of them, the granularity is doubled until they
/// fit: the set may then cover more than was added, never less.  clear() goes
/// back to the finest granularity.  Not thread-safe; the owner locks.
class IntervalSet {
public:
    static constexpr std::size_t default_max_intervals = 16384;

    /// `granularity` in bytes, >= 1; `max_intervals` >= 1.
    explicit IntervalSet(std::uint64_t granularity,
                         std::size_t max_intervals = default_max_intervals)
        : finest_(granularity), granularity_(granularity), max_intervals_(max_intervals)
    {
    }

    void add(ByteRange range);
    void merge(const IntervalSet& other);
    void clear();

    bool empty() const { return intervals_.empty(); }
    std::size_t size() const { return intervals_.size(); }
    bool overlaps(ByteRange range) const;

    /// Calls action(ByteRange) for each interval, ascending and disjoint.
    template <typename Action>
    void for_each(Action action) const
    {
        for (const auto& [begin, end] : intervals_) {
            action(ByteRange{begin, end});
        }
    }

private:
    void insert(std::uint64_t begin, std::uint64_t end);
    void coarsen();

    std::uint64_t finest_;
    std::uint64_t granularity_;
    std::size_t max_intervals_;
    std::map<std::uint64_t, std::uint64_t> intervals_;  // begin -> end, disjoint, not adjacent
};

}  // namespace resilience
