// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/interval_set.h"

#include <algorithm>
#include <utility>

namespace resilience {

IntervalSet::IntervalSet(std::uint64_t size, std::size_t most)
    : size_(size), most_(std::max<std::size_t>(most, 2))
{
}

IntervalSet::Ranges::const_iterator
IntervalSet::first_ending_after(std::uint64_t position) const
{
    auto range = ranges_.upper_bound(position);
    if (range != ranges_.begin() && std::prev(range)->second > position) {
        --range;
    }
    return range;
}

void IntervalSet::add(ByteRange range)
{
    range.end = std::min(range.end, size_);
    if (range.empty()) {
        return;
    }
    // Ranges that only touch are joined too: first_ending_after() the byte
    // before finds one that ends where this begins.
    auto joined = first_ending_after(range.begin == 0 ? 0 : range.begin - 1);
    while (joined != ranges_.end() && joined->first <= range.end) {
        range.begin = std::min(range.begin, joined->first);
        range.end = std::max(range.end, joined->second);
        bytes_ -= joined->second - joined->first;
        joined = ranges_.erase(joined);
    }
    ranges_.emplace_hint(joined, range.begin, range.end);
    bytes_ += range.length();
    if (ranges_.size() > most_) {
        coarsen();
    }
}

void IntervalSet::remove(ByteRange range)
{
    if (range.empty()) {
        return;
    }
    auto cut = first_ending_after(range.begin);
    while (cut != ranges_.end() && cut->first < range.end) {
        const ByteRange old{cut->first, cut->second};
        bytes_ -= old.length();
        cut = ranges_.erase(cut);
        for (const ByteRange rest : {ByteRange{old.begin, std::min(old.end, range.begin)},
                                     ByteRange{std::max(old.begin, range.end), old.end}}) {
            if (!rest.empty()) {
                ranges_.emplace_hint(cut, rest.begin, rest.end);
                bytes_ += rest.length();
            }
        }
    }
    if (ranges_.size() > most_) {
        coarsen();  // it was cut in two
    }
}

bool IntervalSet::overlaps(ByteRange range) const
{
    const auto found = first_ending_after(range.begin);
    return !range.empty() && found != ranges_.end() && found->first < range.end;
}

std::vector<ByteRange> IntervalSet::gaps(ByteRange range) const
{
    std::vector<ByteRange> result;
    auto in_set = first_ending_after(range.begin);
    while (!range.empty()) {
        const bool more = in_set != ranges_.end() && in_set->first < range.end;
        const ByteRange gap{range.begin, more ? in_set->first : range.end};
        if (!gap.empty()) {
            result.push_back(gap);
        }
        range.begin = more ? (in_set++)->second : range.end;
    }
    return result;
}

std::vector<ByteRange> IntervalSet::ranges() const
{
    std::vector<ByteRange> result;
    for (const auto& [begin, end] : ranges_) {
        result.push_back({begin, end});
    }
    return result;
}

/// Joins the ranges that are nearest to each other, until half as many as are
/// allowed are left: so it is rarely called.
void IntervalSet::coarsen()
{
    std::vector<std::uint64_t> distances;
    for (auto range = ranges_.begin(); std::next(range) != ranges_.end(); ++range) {
        distances.push_back(std::next(range)->first - range->second);
    }
    std::size_t joins = ranges_.size() - most_ / 2;
    const auto limit = distances.begin() + static_cast<std::ptrdiff_t>(joins - 1);
    std::nth_element(distances.begin(), limit, distances.end());

    Ranges joined;
    bytes_ = 0;
    for (const auto& [begin, end] : std::exchange(ranges_, {})) {
        if (!joined.empty() && joins > 0 && begin - joined.rbegin()->second <= *limit) {
            joins--;
            bytes_ += end - joined.rbegin()->second;
            joined.rbegin()->second = end;
        } else {
            joined.emplace_hint(joined.end(), begin, end);
            bytes_ += end - begin;
        }
    }
    ranges_ = std::move(joined);
}

}  // namespace resilience
