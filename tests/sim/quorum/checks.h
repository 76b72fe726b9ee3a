// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Looks into the disks of a simulation and says what breaks a promise.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "filters/quorum/quorum_device.h"
#include "tests/sim/quorum/oracle.h"
#include "tests/sim/quorum/simulated_device.h"

namespace resilience::sim {

/// An acknowledged change is on at least `threshold` children; those that had it
/// and crashed since it `began` count too.  To be called before anything else
/// has happened.
std::optional<std::string> check_copies(const Oracle& oracle, const quorum::QuorumDevice& quorum,
                                        const Request& request, TimePoint began);

/// Sectors that nobody is writing.
std::vector<std::uint64_t> quiet_sectors(const Oracle& oracle);

/// These sectors are durable on at least `threshold` children.
std::optional<std::string> check_durable(const Oracle& oracle, const quorum::QuorumDevice& quorum,
                                         const std::vector<std::uint64_t>& sectors);

/// Wherever a child that can be asked holds something else than it must, that
/// is known to the quorum, unless the child was made to lie there.
std::optional<std::string> check_staleness(const Oracle& oracle,
                                           const quorum::QuorumDevice& quorum);

/// All children hold what they must, byte for byte.
std::optional<std::string> check_equal(const Oracle& oracle, const quorum::QuorumDevice& quorum);

/// What each child holds in a sector, for people.
std::string describe_sector(const Oracle& oracle, const quorum::QuorumDevice& quorum,
                            std::uint64_t sector);
/// How the children stand, for people.
std::string describe_children(const quorum::QuorumDevice& quorum);

/// Notices when somebody innocent is accused.
class Witness final : public quorum::Observer {
public:
    Witness(World& world, bool excess, std::function<void(const std::string&)> fail)
        : world_(world), excess_(excess), fail_(std::move(fail))
    {
    }
    void report_bad(const quorum::Child& child, const quorum::BadReport& report) override;
    void resync_blocked(const quorum::Child& child, ByteRange range) override;
    void state_changed(const quorum::Child&, ChildState, ChildState to,
                       const std::string&) override
    {
        world_.note(static_cast<std::uint64_t>(to));
        world_.preempt();
    }

private:
    World& world_;
    const bool excess_;
    const std::function<void(const std::string&)> fail_;
};

}  // namespace resilience::sim
