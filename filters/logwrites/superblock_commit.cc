// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/superblock_commit.h"

#include <cerrno>

namespace resilience::logwrites {

int SuperblockCommit::write(std::uint64_t entries) const
{
    writelog::Superblock super = super_;
    super.entries = entries;
    return output_.write(super);
}

int SuperblockCommit::write_unlocked(std::unique_lock<std::mutex>& lock, std::uint64_t entries,
                                     bool durable)
{
    lock.unlock();
    int error = write(entries);
    if (error == 0 && durable) {
        error = output_.sync();
    }
    lock.lock();
    return error;
}

SuperblockCommit::Result SuperblockCommit::commit(std::unique_lock<std::mutex>& lock,
                                                  std::uint64_t entries, bool durable)
{
    durable = durable && sync_;
    const auto deadline = std::chrono::steady_clock::now() + patience_;
    const auto covered = [&] { return (durable ? synced_ : counted_) >= entries; };
    const auto unreachable = [&] { return !slots_.can_complete(entries); };
    const bool my_turn = changed_.wait_until(
        lock, deadline, [&] { return covered() || !committing_ || unreachable(); });
    if (covered()) {
        return {Outcome::done};
    }
    if (unreachable()) {
        return {Outcome::unreachable};
    }
    if (!my_turn) {  // whoever is at it hangs
        return {Outcome::failed, slots_.complete(), ETIMEDOUT};
    }
    committing_ = true;
    const bool complete = changed_.wait_until(
        lock, deadline, [&] { return slots_.complete() >= entries || unreachable(); });
    const std::uint64_t count = slots_.complete();
    // A thread that hangs in front of us is the log's end, as an error would be.
    const int error = complete ? write_unlocked(lock, count, durable) : ETIMEDOUT;
    committing_ = false;
    changed_.notify_all();
    if (error != 0) {
        return {Outcome::failed, count, error};
    }
    counted_ = count;
    synced_ = durable ? count : synced_;
    return {covered() ? Outcome::done : Outcome::unreachable};
}

}  // namespace resilience::logwrites
