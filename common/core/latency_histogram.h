// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace resilience {

/// How long things took, as counts in buckets whose width grows with the time:
/// eight in each doubling, so what is read from it is wrong by at most an
/// eighth, from nanoseconds to centuries, in 4 KiB.
///
/// All members are safe to call from any thread; adding is one atomic add.
class LatencyHistogram {
public:
    /// Counts one; a negative duration is taken for 0.
    void add(std::chrono::nanoseconds duration);

    std::uint64_t count() const;
    /// The time within which `share` (0 to 1) of them ended, rounded up to the
    /// end of its bucket; nullopt if there are none.
    std::optional<std::chrono::nanoseconds> quantile(double share) const;

    /// For tests: where a duration is counted, and the largest one there.
    static std::size_t bucket_of(std::uint64_t nanoseconds);
    static std::uint64_t largest_in(std::size_t bucket);

private:
    static constexpr unsigned sub_bits = 3;
    static constexpr std::size_t buckets = (64 - sub_bits + 1) << sub_bits;

    std::array<std::atomic<std::uint64_t>, buckets> counts_{};
};

}  // namespace resilience
