// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// When one of several that are asked the same is slow: not by a number that
// somebody has to know, but against its peers.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace resilience {

/// How long the last answers took.  All members are safe to call from any thread;
/// adding is two atomic operations.
class RecentLatency {
public:
    static constexpr std::size_t kept = 16;

    void add(std::chrono::nanoseconds took);
    /// The median of those that are kept, so that one hiccup changes nothing; nullopt
    /// while there are fewer than half of `kept`.
    std::optional<std::chrono::nanoseconds> median() const;

private:
    std::array<std::atomic<std::int64_t>, kept> times_{};
    std::atomic<std::uint64_t> count_{0};
};

/// Nobody is slow who answers in less than this; who was slow is no longer so
/// under half of it.
inline constexpr std::chrono::milliseconds slow_floor{20};

/// Whether he is slow who takes `own`, beside peers who take so long for the same:
///
///   not slow yet   slow from 20 ms on, if at least half of the peers are 10 times
///                  as fast
///   slow           until less than 10 ms, or until fewer than half of the peers are
///                  5 times as fast
///
/// Without peers he stays what he was.
bool is_slow(bool was_slow, std::chrono::nanoseconds own,
             std::span<const std::chrono::nanoseconds> peers);

}  // namespace resilience
