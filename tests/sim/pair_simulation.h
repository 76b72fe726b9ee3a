// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One run: a pair of replicated disks with its guest, its operator and its faults.

#include <cstdint>
#include <string>

#include "common/device/clock.h"

namespace resilience::sim {

struct PairOutcome {
    std::string violation;  ///< empty: all promises were kept
    std::string log;        ///< if `verbose`
    std::uint64_t trace = 0;
    std::uint64_t operations = 0;
    std::uint64_t errors = 0;
    std::uint64_t checkpoints = 0;
    std::uint64_t failovers = 0;
    std::uint64_t faults = 0;
    Duration slowest{};
};

/// Runs the simulation of this seed.
PairOutcome simulate_pair(std::uint64_t seed, bool verbose);

}  // namespace resilience::sim
