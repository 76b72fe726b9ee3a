// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>

namespace resilience::blkverify {

/// Chooses a share of requests, evenly spread: at 0.25 every fourth one.  Not at
/// random, so that a run is the same again.  Thread-safe.
class Sampler {
public:
    /// `share` from 0 to 1; rounded up to a multiple of 2^-32.
    explicit Sampler(double share) : step_(static_cast<std::uint64_t>(std::ceil(share * one)))
    {
    }

    /// Whether the next request is chosen.
    bool next()
    {
        if (step_ == 0 || step_ >= one) {
            return step_ != 0;
        }
        // The sum of the shares: a request is chosen when it passes a whole number.
        const std::uint64_t before = sum_.fetch_add(step_, std::memory_order_relaxed);
        return before / one != (before + step_) / one;
    }

private:
    static constexpr std::uint64_t one = 1ULL << 32;

    std::uint64_t step_;
    std::atomic<std::uint64_t> sum_{0};
};

}  // namespace resilience::blkverify
