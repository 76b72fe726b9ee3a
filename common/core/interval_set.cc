// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/interval_set.h"

#include <algorithm>
#include <iterator>

namespace resilience {

void IntervalSet::add(ByteRange range)
{
    if (range.empty()) {
        return;
    }
    insert(range.begin, range.end);
    while (intervals_.size() > max_intervals_) {
        coarsen();
    }
}

void IntervalSet::merge(const IntervalSet& other)
{
    other.for_each([this](ByteRange range) { add(range); });
}

void IntervalSet::clear()
{
    intervals_.clear();
    granularity_ = finest_;
}

bool IntervalSet::overlaps(ByteRange range) const
{
    if (range.empty()) {
        return false;
    }
    auto next = intervals_.lower_bound(range.begin);
    if (next != intervals_.end() && next->first < range.end) {
        return true;
    }
    return next != intervals_.begin() && std::prev(next)->second > range.begin;
}

void IntervalSet::insert(std::uint64_t begin, std::uint64_t end)
{
    begin -= begin % granularity_;
    end += (granularity_ - end % granularity_) % granularity_;

    // Swallow everything that overlaps or touches [begin, end).
    auto at = intervals_.upper_bound(begin);
    if (at != intervals_.begin() && std::prev(at)->second >= begin) {
        --at;
        begin = at->first;
    }
    while (at != intervals_.end() && at->first <= end) {
        end = std::max(end, at->second);
        at = intervals_.erase(at);
    }
    intervals_.emplace_hint(at, begin, end);
}

void IntervalSet::coarsen()
{
    granularity_ *= 2;
    std::map<std::uint64_t, std::uint64_t> fine;
    fine.swap(intervals_);
    for (const auto& [begin, end] : fine) {
        insert(begin, end);
    }
}

}  // namespace resilience
