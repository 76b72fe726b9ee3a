// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A quorum with a memory, whose servers end and begin.
//
// How a server begins is what the module does, but for opening things: the copies of the
// memory are read, plan_start() says who may be believed, and the epoch is begun.  The
// copies are files of the server's machine, so what a killed server had sent to them has
// been done or never is.

#include <memory>
#include <vector>

#include "filters/quorum/quorum_device.h"
#include "tests/sim/quorum/simulated_device.h"

namespace resilience::sim {

class Lives {
public:
    using Disks = std::vector<std::shared_ptr<SimulatedDevice>>;

    Lives(World& world, Clock& clock, std::uint64_t size, std::size_t copies,
          SimulatedDevice::Say say);

    /// The next server, of those of all disks that are named this time; for a fiber.
    /// Throws std::runtime_error if it does not start.
    std::shared_ptr<quorum::QuorumDevice> begin(const Disks& named, const quorum::Options& options,
                                                quorum::Observer& observer);
    /// It is killed; `power`: with its machine, so that what was not synced may be torn.
    void end(bool power);
    /// One of the copies is lost.
    void lose_copy();
    /// What the copies say; nothing was ever written: nullopt.
    std::optional<memoryfile::Content> newest() const;

private:
    struct Copy {
        std::shared_ptr<SimulatedDevice> device;
        std::optional<memoryfile::Copy> content;
    };
    std::vector<Copy> read() const;

    World& world_;
    Clock& clock_;
    const std::uint64_t size_;
    Disks copies_;
};

}  // namespace resilience::sim
