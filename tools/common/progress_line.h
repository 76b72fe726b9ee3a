// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How far something is that takes long, for the person who waits.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace resilience::tools {

using Clock = std::chrono::steady_clock;

/// Bytes per second over the last measurements, smoothed.
class Speed {
public:
    std::optional<double> update(std::uint64_t done, Clock::time_point now);

private:
    std::optional<Clock::time_point> last_time_;
    std::uint64_t last_done_ = 0;
    std::optional<double> speed_;
};

/// "[#####.....] "; no progress if `total` is 0.
std::string progress_bar(std::uint64_t done, std::uint64_t total, unsigned columns);

/// "45.2 %, 3.6 GiB of 8 GiB, 120 MiB/s, 0:35 left"; `remaining` may be less
/// or more than total - done.
std::string progress_amount(std::uint64_t done, std::uint64_t total, std::uint64_t remaining,
                            std::optional<double> bytes_per_second);

/// The columns of the terminal that `fd` is; 80 where it does not tell.
unsigned terminal_columns(int fd);

/// A bar on stderr, if that is a terminal, from the second on that something
/// takes; gone when it is over.
class ProgressLine {
public:
    /// `what` is being done, over so many bytes.
    ProgressLine(std::string what, std::uint64_t total);
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    ~ProgressLine();

    /// So many more bytes are done.  Cheap.
    void add(std::uint64_t bytes);

private:
    const std::string what_;
    const std::uint64_t total_;
    const bool terminal_;
    std::uint64_t done_ = 0;
    Clock::time_point next_;
    Speed speed_;
    bool drawn_ = false;
};

}  // namespace resilience::tools
