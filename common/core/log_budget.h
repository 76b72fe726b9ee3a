// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace resilience {

/// Keeps a log readable in which something goes wrong again and again: one bad
/// sector that is tried every second, or a disk that is bad everywhere.
///
///   * The same thing is written once, and again when it has changed or after an
///     hour, with the number of times that it was not.
///   * Of different things so many are written at once, and one more in each
///     interval.
///
/// There is no clock in it, and it is not thread-safe.  Memory: what was written
/// within two hours.
class LogBudget {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    explicit LogBudget(unsigned lines = 100,
                       std::chrono::milliseconds interval = std::chrono::seconds(10))
        : most_(lines), interval_(interval), left_(lines)
    {
    }

    struct Verdict {
        bool write = false;
        std::uint64_t repeats = 0;  ///< with write: how often this was not written meanwhile
        std::uint64_t others = 0;   ///< with write: how many different lines were not

        /// What is to be added to the line; often nothing.
        std::string note() const;
    };

    /// `what` has happened, a place and a kind; `how` is what may change about it.
    Verdict happened(const std::string& what, const std::string& how, TimePoint now);

private:
    struct Known {
        std::string how;
        TimePoint written{};
        std::uint64_t repeats = 0;
    };

    bool take_line(TimePoint now);

    const unsigned most_;
    const std::chrono::milliseconds interval_;
    unsigned left_;
    TimePoint refilled_{};
    std::uint64_t others_ = 0;
    std::map<std::string, Known> known_;
};

}  // namespace resilience
