// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "common/thread/clock.h"

namespace resilience::quorum {

/// Flushes, one at a time.  One that comes while another runs waits for its end; all
/// that wait are served by the next one, which begins after they came.
///
/// So clients that flush all the time cost their children no more flushes than these
/// can do, and a flush is alone: what it said is not in doubt because of another one
/// that is still out (Child::flush_succeeded).
class FlushTurns {
public:
    explicit FlushTurns(Clock& clock) : clock_(clock) {}

    /// Returns what `flush()` has, called by us or by somebody else since; EIO when the
    /// deadline comes first.
    template <typename Flush>
    int take(TimePoint deadline, Flush flush)
    {
        std::unique_lock lock(mutex_);
        const std::uint64_t mine = begun_ + 1;
        const auto ready = [&] { return !running_ || ended_ >= mine; };
        if (!clock_.wait_until(turn_, lock, deadline, ready)) {
            return EIO;
        }
        if (ended_ >= mine) {
            return error_;
        }
        running_ = true;
        const std::uint64_t number = ++begun_;
        lock.unlock();
        int error = EIO;
        try {
            error = flush();
        } catch (...) {
            // Whoever waits must not wait for ever; the caller's turn has failed.
        }
        lock.lock();
        running_ = false;
        ended_ = number;
        error_ = error;
        turn_.notify_all();
        return error;
    }

private:
    Clock& clock_;
    std::mutex mutex_;
    std::condition_variable turn_;
    bool running_ = false;
    std::uint64_t begun_ = 0;
    std::uint64_t ended_ = 0;
    int error_ = 0;
};

}  // namespace resilience::quorum
