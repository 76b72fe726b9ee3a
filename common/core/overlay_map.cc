// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/overlay_map.h"

#include <algorithm>
#include <iterator>

namespace resilience {

/// The first run that begins at or after `at`; a run that goes across is cut
/// in two there.
OverlayMap::Runs::iterator OverlayMap::cut(std::uint64_t at)
{
    const auto next = runs_.lower_bound(at);
    if (next != runs_.begin()) {
        Run& before = std::prev(next)->second;
        if (before.end > at) {
            const Run tail = before;
            const auto added = runs_.emplace_hint(next, at, tail);
            before.end = at;
            return added;
        }
    }
    return next;
}

void OverlayMap::put(ByteRange range, Layer layer)
{
    if (range.empty()) {
        return;
    }
    Runs added;  // all that needs memory comes first: nothing is lost without it
    added.emplace(range.begin, Run{range.end, layer});
    cut(range.end);
    runs_.erase(cut(range.begin), runs_.lower_bound(range.end));
    if (layer == Layer::base) {
        return;
    }
    const auto at = runs_.insert(added.extract(added.begin())).position;
    const auto next = std::next(at);
    if (next != runs_.end() && next->first == range.end && next->second.layer == layer) {
        at->second.end = next->second.end;
        runs_.erase(next);
    }
    if (at != runs_.begin()) {
        const auto before = std::prev(at);
        if (before->second.end == range.begin && before->second.layer == layer) {
            before->second.end = at->second.end;
            runs_.erase(at);
        }
    }
}

std::vector<LayerRange> OverlayMap::layers(ByteRange range) const
{
    std::vector<LayerRange> result;
    auto run = runs_.upper_bound(range.begin);
    if (run != runs_.begin() && std::prev(run)->second.end > range.begin) {
        --run;
    }
    std::uint64_t at = range.begin;
    for (; run != runs_.end() && run->first < range.end; ++run) {
        if (run->first > at) {
            result.push_back({{at, run->first}, Layer::base});
            at = run->first;
        }
        const std::uint64_t end = std::min(run->second.end, range.end);
        result.push_back({{at, end}, run->second.layer});
        at = end;
    }
    if (at < range.end) {
        result.push_back({{at, range.end}, Layer::base});
    }
    return result;
}

std::vector<LayerRange> OverlayMap::layers() const
{
    std::vector<LayerRange> result;
    result.reserve(runs_.size());
    for (const auto& [begin, run] : runs_) {
        result.push_back({{begin, run.end}, run.layer});
    }
    return result;
}

}  // namespace resilience
