// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One run: a pair of replicated disks with its guest, its operator and its faults.

#include <cstdint>

#include "tests/sim/run.h"

namespace resilience::sim {

struct PairOutcome : Outcome {
    std::uint64_t checkpoints = 0;
    std::uint64_t failovers = 0;
};

/// Runs the simulation of this seed.
PairOutcome simulate_pair(std::uint64_t seed, bool verbose);

}  // namespace resilience::sim
