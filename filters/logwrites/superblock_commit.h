// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How the superblock comes to count what is in the log.
//
// One thread writes it for all that wait: it takes in whatever is complete by then,
// and the next one finds its own entries counted already.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "filters/logwrites/entry_output.h"
#include "filters/logwrites/slot_list.h"

namespace resilience::logwrites {

/// All members but write() are called with the mutex of `slots` held; where a lock is
/// passed, it is let go of meanwhile.
class SuperblockCommit {
public:
    enum class Outcome : std::uint8_t {
        done,
        unreachable,  ///< the log has ended before the entries
        failed,       ///< the log must end now, before `entry`, because of `error`
    };
    struct Result {
        Outcome outcome = Outcome::done;
        std::uint64_t entry = 0;
        int error = 0;  ///< an errno
    };

    /// `super`: all of it but the count.  Without `sync` nothing is made durable.
    /// `patience`: how long entries before, and other commits, are waited for.
    SuperblockCommit(EntryOutput& output, const SlotList& slots,
                     const writelog::Superblock& super, bool sync,
                     std::chrono::milliseconds patience = std::chrono::seconds(30))
        : output_(output), slots_(slots), super_(super), sync_(sync), patience_(patience)
    {
    }

    /// Writes the superblock with that count, whatever the slots say.  0 or an errno.
    /// For when nobody else is at work, and without the mutex.
    int write(std::uint64_t entries) const;

    /// Returns when the superblock counts the first `entries` entries, and, with
    /// `durable`, is on the medium.
    Result commit(std::unique_lock<std::mutex>& lock, std::uint64_t entries, bool durable);

    /// A slot was finished, or the log has ended: somebody may wait for that.
    void slots_changed()
    {
        if (committing_) {
            changed_.notify_all();
        }
    }

    /// By the superblock.
    std::uint64_t counted() const { return counted_; }

private:
    int write_unlocked(std::unique_lock<std::mutex>& lock, std::uint64_t entries, bool durable);

    EntryOutput& output_;
    const SlotList& slots_;
    const writelog::Superblock super_;
    const bool sync_;
    const std::chrono::milliseconds patience_;
    std::condition_variable changed_;  ///< counted, complete or committing
    std::uint64_t counted_ = 0;
    std::uint64_t synced_ = 0;         ///< the same, on the medium
    bool committing_ = false;          ///< somebody is at it
};

}  // namespace resilience::logwrites
