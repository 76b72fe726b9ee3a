// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One run: a quorum (the real one) on simulated disks, with clients, faults, an
// operator who adds and removes children, and somebody who looks at everything.

#include <cstdint>
#include <string>
#include <vector>

#include "filters/quorum/options.h"
#include "tests/sim/quorum/simulated_device.h"
#include "tests/sim/run.h"

namespace resilience::sim {

/// All connections are lost at once, now and then.  Requests fail then, but nothing that
/// was acknowledged is lost, and clients can work again soon.  Nothing else goes wrong.
enum class Outages : std::uint8_t {
    none,
    links,   ///< the servers live
    forget,  ///< the servers forget what was not flushed
};

/// The quorum has a memory, and its server is killed and begins again, now and then with
/// all power.  Children lose their links, one at a time; nothing else goes wrong.
enum class Restarts : std::uint8_t { none, some };

struct Config {
    std::string name;
    std::size_t children = 3;
    std::size_t threshold = 2;
    quorum::ReadPattern pattern = quorum::ReadPattern::quorum;
    bool rewrite = false;
    bool excess = false;  ///< more faults than the promise covers; see fault_atlas.h
    bool by_sector = false;  ///< more than that, but in different sectors; likewise
    Outages outages = Outages::none;
    Restarts restarts = Restarts::none;
};

/// Something that goes wrong at a certain time.  It does so only if the atlas
/// permits it then.
struct PlannedFault {
    Duration time{};
    std::size_t child = 0;
    FaultKind kind = FaultKind::freeze;
    std::uint64_t offset = 0;  ///< bytes
    Duration lasts{};
    int error = 0;

    std::string text() const;
};

/// The faults that belong to a seed.
std::vector<PlannedFault> plan_faults(const Config& config, std::uint64_t seed);

/// Runs the simulation with these faults.  `world` is the seed of all else that
/// is left to chance.
Outcome simulate(const Config& config, std::uint64_t world,
                 const std::vector<PlannedFault>& faults, bool verbose);

}  // namespace resilience::sim
