// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Room for entries that are not written yet.
//
// Whether the log can take a change has to be known before the device is
// changed; but where in the log it goes is only known afterwards, by the order
// of completion.  So room is counted, not assigned: bytes are admitted before
// the device is touched, and the log's end is kept far enough behind the next
// position for all that was admitted,
//
//     position + admitted + kept back  <=  end of what is reserved.
//
// In a file, "reserved" means blocks allocated behind its end (fallocate), a
// chunk at a time.  Anything with a size is reserved from the start.  Where
// file systems cannot allocate, everything is admitted, and a full disk shows
// when it is too late.
//
// A large hole (the body of a zero) takes no blocks, only addresses.  It is
// not admitted, and jumps over the reserved blocks; these are given back, and
// others are taken behind it.

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>

#include "filters/logwrites/log_storage.h"

namespace resilience::logwrites {

/// A run of bytes in what is taken: `offset` counts from its start.
struct Run {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool hole = false;  ///< a large one, which takes no blocks
};

/// The holes from which on jumping pays.
inline constexpr std::uint64_t large_hole = 64 << 10;

/// All members but the constructor are called with the caller's mutex held
/// (and let go of it only where a lock is passed).
class LogSpace {
public:
    /// `kept_back`: bytes that are reserved and never admitted.
    LogSpace(LogStorage& storage, std::uint64_t position, std::uint64_t kept_back);

    /// Where the next entry goes.
    std::uint64_t position() const { return position_; }
    /// Whether holes need no admission.
    bool holes_are_free() const { return !storage_.fixed_size(); }

    /// Makes sure that there is room for `bytes` more.  0, ENOSPC, ETIMEDOUT.
    /// Lets go of `lock` while it asks the storage.
    int admit(std::unique_lock<std::mutex>& lock, std::uint64_t bytes);
    /// They are not needed after all.
    void give_back(std::uint64_t bytes) { admitted_ -= bytes; }

    /// Takes `runs`, which lie one behind the other, of which `admitted` bytes
    /// were admitted; returns the position of the first one.
    std::uint64_t take(std::unique_lock<std::mutex>& lock, std::uint64_t admitted,
                       std::span<const Run> runs);
    /// Takes `bytes` of what is kept back.
    std::uint64_t take_kept_back(std::uint64_t bytes);

private:
    bool fits(std::uint64_t bytes) const;
    int grow(std::unique_lock<std::mutex>& lock, std::uint64_t needed);
    void jump(std::uint64_t start, std::span<const Run> runs);

    LogStorage& storage_;
    std::uint64_t position_;
    std::uint64_t admitted_ = 0;
    std::uint64_t kept_back_;
    std::uint64_t end_;      ///< of what is reserved
    std::uint64_t chunk_;    ///< how much to reserve next
    bool tight_ = false;     ///< there was no room for a chunk
    bool growing_ = false;   ///< somebody is at it, without the lock
    std::condition_variable grown_;
};

}  // namespace resilience::logwrites
