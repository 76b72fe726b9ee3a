// SPDX-License-Identifier: BSD-3-Clause

// A range lock that locks nothing, linked in place of the real one into modules
// that show what would happen without: see test-quorum-stress-needs-lock.sh and
// test-blkverify-needs-lock.sh.

#include "common/device/range_lock.h"

namespace resilience {

RangeLock::Guard& RangeLock::Guard::operator=(Guard&& other) noexcept
{
    lock_ = other.lock_;
    other.lock_ = nullptr;
    return *this;
}

void RangeLock::Guard::release()
{
    lock_ = nullptr;
}

RangeLock::Guard RangeLock::acquire(std::uint64_t, std::uint64_t, LockMode, TimePoint)
{
    static_cast<void>(clock_);  // only the real one waits
    return Guard(*this, {});
}

void RangeLock::remove(RangeLockTable::Handle) {}

}  // namespace resilience
