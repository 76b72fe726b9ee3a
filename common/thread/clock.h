// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace resilience {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// Where engines get the time and wait.  The real one below is the machine's
/// steady clock; a simulation has its own, in which a wait runs the simulated
/// world until the condition holds or the deadline has come, on one thread.
class Clock {
public:
    virtual ~Clock() = default;
    virtual TimePoint now() const { return std::chrono::steady_clock::now(); }
    /// Waits until `ready()` or `deadline`; returns ready().  `lock` is held
    /// on entry, on return, and whenever `ready` is called.
    virtual bool wait_until(std::condition_variable& cv, std::unique_lock<std::mutex>& lock,
                            TimePoint deadline, const std::function<bool()>& ready)
    {
        return cv.wait_until(lock, deadline, ready);
    }
};

/// The machine's own clock.
inline Clock& real_clock()
{
    static Clock clock;
    return clock;
}

/// Nanoseconds since 1970 by the machine's wall clock, which may jump: for people and
/// for what outlives the machine's uptime.
inline std::uint64_t wall_clock_ns()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace resilience
