// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The seed of a randomised test.  Each run tries something new, and says what:
// SEED=... in the environment repeats it.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace resilience::test {

/// The seed of this process: $SEED (any base that strtoull takes), else a
/// random one.  The first call prints it, as a comment line of TAP.
inline std::uint64_t seed()
{
    static const std::uint64_t value = [] {
        const char* given = std::getenv("SEED");
        const std::uint64_t chosen =
            given != nullptr ? std::strtoull(given, nullptr, 0)
                             : std::uint64_t{std::random_device{}()} << 32 | std::random_device{}();
        std::printf("# SEED=%llu\n", static_cast<unsigned long long>(chosen));
        std::fflush(stdout);
        return chosen;
    }();
    return value;
}

/// Random numbers that follow from the seed alone: each test case makes its
/// own, so that it does the same whether it is run alone or after others.
class Random {
public:
    Random() : engine_(seed()) {}

    /// A number in [low, high].
    std::uint64_t between(std::uint64_t low, std::uint64_t high)
    {
        return std::uniform_int_distribution<std::uint64_t>(low, high)(engine_);
    }
    bool one_in(std::uint64_t n) { return between(1, n) == 1; }

private:
    std::mt19937_64 engine_;
};

}  // namespace resilience::test
