// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/range_lock_table.h"

#include <algorithm>

namespace resilience {

namespace {

bool conflict(const RangeLockTable::Entry& a, const RangeLockTable::Entry& b)
{
    // Written so that an empty range overlaps nothing, wherever it stands.
    const bool overlap = std::max(a.begin, b.begin) < std::min(a.end, b.end);
    return overlap && (a.mode == LockMode::exclusive || b.mode == LockMode::exclusive);
}

}  // namespace

bool RangeLockTable::must_wait(Handle handle)
{
    for (auto earlier = entries_.begin(); earlier != handle; ++earlier) {
        if (conflict(*earlier, *handle)) {
            return true;
        }
    }
    return false;
}

RangeLockTable::Handle RangeLockTable::add(std::uint64_t begin, std::uint64_t end, LockMode mode)
{
    const Handle handle = entries_.insert(entries_.end(), Entry{begin, end, mode, false});
    handle->granted = !must_wait(handle);
    return handle;
}

std::size_t RangeLockTable::remove(Handle handle)
{
    const Entry gone = *handle;
    auto later = entries_.erase(handle);
    std::size_t granted = 0;
    for (; later != entries_.end(); ++later) {
        // Only those that overlap what has gone can have been waiting for it.
        if (!later->granted && conflict(gone, *later) && !must_wait(later)) {
            later->granted = true;
            granted++;
        }
    }
    return granted;
}

}  // namespace resilience
