// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace resilience::quorum {

/// How a read chooses its answer.
enum class ReadPattern : std::uint8_t {
    quorum,   ///< ask all, compare, vote
    fifo,     ///< the first child that answers, in child order; nothing is compared
    fastest,  ///< as quorum, but answer as soon as `threshold` children agree
};

std::string_view to_string(ReadPattern pattern);

/// Where writes are remembered that a child missed: 64 KiB.
inline constexpr std::uint64_t stale_granularity = 64 << 10;

inline constexpr std::uint64_t default_unflushed_limit = 64 << 20;  // bytes

/// What a quorum is to do.  Parameter names are these with "quorum-" before
/// them and '-' for '_'.
struct Options {
    std::string name = "quorum";  ///< what the control socket and events call it
    std::size_t threshold = 0;    ///< votes needed; 0: a majority of the children
    ReadPattern read_pattern = ReadPattern::quorum;
    bool rewrite_corrupted = false;  ///< a child that lost a vote gets the winner's data
    bool blkverify = false;          ///< two children; the server ends on a difference
    bool read_only = false;          ///< children are opened read-only
    std::chrono::milliseconds timeout{10000};  ///< how long a child may take
    std::uint64_t resync_rate = 0;             ///< bytes per second; 0: no limit
    /// Bytes of memory for what was written since the last flush; 0: nothing is kept.
    /// Users get default_unflushed_limit.
    std::uint64_t unflushed_limit = 0;

    /// Checks the settings against each other and fills in the threshold.
    /// Throws SetupError (with QEMU's texts where QEMU has the same rule).
    void settle(std::size_t children);
};

}  // namespace resilience::quorum
