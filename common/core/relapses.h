// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>

namespace resilience {

/// How long somebody who falls sick again and again is left alone, so that those
/// who wait for him do not wait again and again.
///
///   time it has fallen                    1st   2nd   3rd   4th   5th   6th, ...
///   it is used again at the earliest       -     2     4     8    16    32 timeouts
///                                                                 after it has fallen
///
/// One fall costs whoever asks one timeout, so in the long run less than a 32nd of
/// the time is spent waiting.  All is forgotten when it has been well for 64
/// timeouts, which is longer than any wait: who falls each time when he comes back
/// is not forgiven in between.
///
/// There is no clock in it, and it is not thread-safe.
class Relapses {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Duration = std::chrono::steady_clock::duration;

    /// `timeout`: how long others wait for him when he falls.
    explicit Relapses(Duration timeout) : timeout_(timeout) {}

    /// He has fallen.  Not again before he has recovered().
    void fell(TimePoint now);
    /// He is used again.
    void recovered(TimePoint now) { well_since_ = now; }
    /// How often he has fallen without a long good time in between.
    unsigned times() const { return times_; }
    /// When he fell last.
    TimePoint fell_at() const { return fell_at_; }
    /// How long he is left alone after his last fall; 0: not at all.
    Duration wait() const;
    /// Until when that is.
    TimePoint not_before() const { return fell_at_ + wait(); }
    /// Somebody knows that it is over.
    void forget() { times_ = 0; }

private:
    const Duration timeout_;
    unsigned times_ = 0;
    TimePoint fell_at_{};
    TimePoint well_since_{};
};

}  // namespace resilience
