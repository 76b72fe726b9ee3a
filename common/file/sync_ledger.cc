// SPDX-License-Identifier: BSD-3-Clause
#include "common/file/sync_ledger.h"

namespace resilience {

int SyncLedger::run(const std::function<int()>& sync)
{
    std::unique_lock lock(mutex_);
    if (failure_ != 0) {
        return failure_;
    }
    const auto ticket = next_ticket_++;
    under_way_.insert(ticket);
    lock.unlock();
    const int error = sync();
    lock.lock();
    under_way_.erase(ticket);
    if (error != 0 && failure_ == 0) {
        failure_ = error;
    }
    ended_.notify_all();
    if (error != 0) {
        return error;
    }
    // Not a deadlock: each waits only for syncs, never for another waiter.  It
    // may take as long as a sync takes; ours did, too.
    const auto now = next_ticket_;
    ended_.wait(lock, [&] { return under_way_.empty() || *under_way_.begin() >= now; });
    return failure_;
}

int SyncLedger::failure() const
{
    const std::lock_guard lock(mutex_);
    return failure_;
}

}  // namespace resilience
