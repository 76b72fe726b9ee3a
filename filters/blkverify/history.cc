// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/history.h"

#include <algorithm>

namespace resilience::blkverify {

void History::add(const Change& change)
{
    const std::lock_guard lock(mutex_);
    ring_[added_++ % ring_.size()] = change;
}

std::vector<Change> History::of(ByteRange range, std::size_t most) const
{
    std::vector<Change> found;
    const std::lock_guard lock(mutex_);
    const std::uint64_t known = std::min<std::uint64_t>(added_, ring_.size());
    for (std::uint64_t age = 1; age <= known && found.size() < most; age++) {
        const Change& change = ring_[(added_ - age) % ring_.size()];
        if (change.range.begin < range.end && range.begin < change.range.end) {
            found.push_back(change);
        }
    }
    return found;
}

}  // namespace resilience::blkverify
