// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/depth.h"

#include <algorithm>

namespace resilience::cor {

namespace {

/// How much is asked about at a time, so that one block status answers many
/// reads, in bytes.
constexpr std::uint64_t question = 64 << 20;

}  // namespace

Depth::Depth(Source& source, const ClusterMap& map, std::uint32_t limit)
    : source_(source), map_(map), limit_(limit), known_(limit == 0 ? 0 : map.clusters())
{
}

int Depth::learn(Clusters range, TimePoint deadline)
{
    while (range.first < range.last && known_[range.first] != unknown) {
        range.first++;
    }
    if (range.empty()) {
        return 0;
    }
    range.last = std::max(range.last, std::min(map_.clusters(),
                                               range.first + question / map_.cluster_size()));
    Request request;
    request.op = Op::extents;
    request.flags.allocation_depth = true;
    request.offset = map_.begin_of(range.first);
    request.length = map_.end_of(range.last) - request.offset;
    ExtentList extents;
    if (const int error = source_.ask(request, deadline, extents)) {
        return error;
    }
    // Passed, unless some extent says other.
    for (std::uint64_t i = range.first; i < range.last; i++) {
        known_[i] = std::max<std::uint8_t>(known_[i], known_[i] == copied ? copied : passed);
    }
    std::uint64_t begin = request.offset;
    for (const Extent& extent : extents) {
        const std::uint64_t end = begin + extent.length;
        if (extent.depth >= 1 && extent.depth <= limit_) {
            const Clusters touched = map_.touched(begin, end);
            for (std::uint64_t i = touched.first; i < touched.last; i++) {
                known_[i] = copied;
            }
        }
        begin = end;
    }
    return 0;
}

bool Depth::wanted(std::uint64_t cluster) const { return !limited() || known_[cluster] == copied; }

}  // namespace resilience::cor
