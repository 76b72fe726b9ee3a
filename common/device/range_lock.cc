// SPDX-License-Identifier: BSD-3-Clause
#include "common/device/range_lock.h"

#include <utility>

namespace resilience {

RangeLock::Guard& RangeLock::Guard::operator=(Guard&& other) noexcept
{
    if (this != &other) {
        release();
        lock_ = std::exchange(other.lock_, nullptr);
        handle_ = other.handle_;
    }
    return *this;
}

void RangeLock::Guard::release()
{
    if (lock_) {
        std::exchange(lock_, nullptr)->remove(handle_);
    }
}

RangeLock::Guard RangeLock::acquire(std::uint64_t begin, std::uint64_t end, LockMode mode,
                                    TimePoint deadline)
{
    std::unique_lock lock(mutex_);
    const RangeLockTable::Handle handle = table_.add(begin, end, mode);
    if (handle->granted ||
        clock_.wait_until(granted_, lock, deadline, [&] { return handle->granted; })) {
        return Guard(*this, handle);
    }
    // Those behind us may have been waiting for us alone.
    if (table_.remove(handle) > 0) {
        granted_.notify_all();
    }
    return Guard();
}

void RangeLock::remove(RangeLockTable::Handle handle)
{
    std::size_t others = 0;
    {
        const std::lock_guard lock(mutex_);
        others = table_.remove(handle);
    }
    if (others > 0) {
        granted_.notify_all();
    }
}

}  // namespace resilience
