// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "common/replay/log_index.h"

namespace resilience::nbdcrash {

/// How a write can be torn: units that reach the medium whole or not at all.
/// A unit is a run of `unit` bytes of the device, or what the write has of it.
class TearUnits {
public:
    TearUnits(const writelog::Record& record, std::uint32_t sector_size, std::uint32_t unit);

    /// How many units there are; 1: it cannot be torn.
    std::uint64_t count() const { return count_; }
    /// The log sectors, from the entry's start, of these units (ascending).
    std::vector<std::uint64_t> sectors(const std::vector<std::uint64_t>& units) const;

    /// All ways, if there are at most 2^bits of them (none missing and all
    /// missing are no tears); else those that disks are known for.
    std::vector<std::vector<std::uint64_t>> usual(unsigned bits) const;
    /// One way at random: neither nothing nor all.  Only if count() > 1.
    std::vector<std::uint64_t> random(std::mt19937_64& generator) const;

private:
    std::uint64_t sectors_;
    std::uint64_t per_unit_;  ///< log sectors
    std::uint64_t skew_;      ///< log sectors that the first unit lacks
    std::uint64_t count_;
};

/// The numbers below `count` that are not in `numbers`; both are ascending.  What a
/// tear lacks, of what it has, and the other way round.
std::vector<std::uint64_t> others(const std::vector<std::uint64_t>& numbers, std::uint64_t count);

/// A number below `bound`, which is not 0, the same on every machine.
std::uint64_t below(std::mt19937_64& generator, std::uint64_t bound);

}  // namespace resilience::nbdcrash
