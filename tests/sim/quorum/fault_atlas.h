// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Keeps the faults of a simulation within the promise, so that any loss, any
// error and any old data are bugs.
//
// The rule: in each granule (64 KiB), at any time, at most N - threshold of the
// N children are *impaired*, and fewer than `threshold` of them *lie*.
//
//   * A child becomes impaired in a granule when a fault hits it there; a fault
//     of the whole child (it hangs, is slow, loses its connection, fails a
//     flush) hits all granules, for what it misses meanwhile may be anywhere.
//     A child that is new, or is declared stale, is impaired everywhere.
//   * It is whole again only when the simulation, which can see everything,
//     sees it: the fault is over, it owes no answer, the quorum takes it as
//     online and current, its content is what it must be, and every request
//     that ran when that became true has ended (such a request may still hold
//     a bad answer of this child).
//   * Lies need two more conditions, since votes on data have to be won: fewer
//     than `threshold` liars, or they could outvote; and a read pattern that
//     compares (fifo believes one child, so it promises nothing about lies).
//
// With Limits::by_sector the rule holds of each sector instead of each granule, and
// nobody lies: then all children may be stale in a granule, each for another sector, and
// still every read and every copy has to succeed.
//
// Beyond the promise (Limits::excess) everything is permitted but lies, and
// failed flushes that lose data: when those make the whole flush fail, its
// client has been told, and the engine goes on believing what can still be
// read.  Errors are right answers then; old or invented data never are.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "filters/quorum/quorum_device.h"
#include "tests/sim/quorum/oracle.h"
#include "tests/sim/quorum/simulated_device.h"

namespace resilience::sim {

class FaultAtlas {
public:
    struct Limits {
        bool comparing = true;  ///< the read pattern compares answers
        bool excess = false;
        bool by_sector = false;
    };

    FaultAtlas(const quorum::QuorumDevice& quorum, const Oracle& oracle, Limits limits)
        : quorum_(quorum), oracle_(oracle), limits_(limits)
    {
    }

    /// Whether the child may be hit; then it is impaired from now on.
    bool permit(const SimulatedDevice& device, FaultKind kind, ByteRange range);
    /// The same for something done to the whole child: it is added, removed,
    /// made stale.
    bool permit_all(const SimulatedDevice& device, bool lie = false);
    /// It is gone, or was never added.
    void forget(const SimulatedDevice& device) { impaired_.erase(&device); }

    bool anything_impaired();

private:
    struct Impairment {
        bool open = false;
        bool lie = false;
        bool over = false;
        std::uint64_t from = 0;  ///< operations older than this must have ended
    };
    using Granules = std::vector<Impairment>;

    std::uint64_t granule_size() const
    {
        return limits_.by_sector ? sector_size : quorum::stale_granularity;
    }

    bool enter(const SimulatedDevice& device, bool lie, ByteRange range);
    void update();
    bool sound(const SimulatedDevice& device, const quorum::Child& child,
               std::uint64_t granule) const;

    const quorum::QuorumDevice& quorum_;
    const Oracle& oracle_;
    const Limits limits_;
    // Never walked in its own order, which is that of addresses.
    std::map<const SimulatedDevice*, Granules> impaired_;
};

}  // namespace resilience::sim
