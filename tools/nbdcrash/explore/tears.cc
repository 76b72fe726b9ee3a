// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/tears.h"

#include <algorithm>

namespace resilience::nbdcrash {

namespace {

// A state lists the sectors that are there.  Zeroes and trims can have
// millions; of those only the beginning is ever there in part.
constexpr std::uint64_t most_units = 2048;

std::vector<std::uint64_t> run(std::uint64_t first, std::uint64_t end)
{
    std::vector<std::uint64_t> units;
    for (std::uint64_t unit = first; unit < end; unit++) {
        units.push_back(unit);
    }
    return units;
}

}  // namespace

std::vector<std::uint64_t> others(const std::vector<std::uint64_t>& numbers, std::uint64_t count)
{
    std::vector<std::uint64_t> result;
    for (std::uint64_t number = 0; number < count; number++) {
        if (!std::ranges::binary_search(numbers, number)) {
            result.push_back(number);
        }
    }
    return result;
}

std::uint64_t below(std::mt19937_64& generator, std::uint64_t bound)
{
    return generator() % bound;  // a bias of 2^-40 harms nobody here
}

TearUnits::TearUnits(const writelog::Record& record, std::uint32_t sector_size, std::uint32_t unit)
    : sectors_(record.sectors), per_unit_(unit / sector_size),
      skew_(record.sector % per_unit_),
      count_((skew_ + sectors_ + per_unit_ - 1) / per_unit_)
{
}

std::vector<std::uint64_t> TearUnits::sectors(const std::vector<std::uint64_t>& units) const
{
    std::vector<std::uint64_t> sectors;
    for (const std::uint64_t unit : units) {
        const std::uint64_t begin = std::max(unit * per_unit_, skew_) - skew_;
        const std::uint64_t end = std::min((unit + 1) * per_unit_ - skew_, sectors_);
        for (std::uint64_t sector = begin; sector < end; sector++) {
            sectors.push_back(sector);
        }
    }
    return sectors;
}

std::vector<std::vector<std::uint64_t>> TearUnits::usual(unsigned bits) const
{
    std::vector<std::vector<std::uint64_t>> ways;
    if (count_ <= 1) {
        return ways;
    }
    if (count_ <= bits) {
        for (std::uint64_t mask = 1; mask + 1 < std::uint64_t{1} << count_; mask++) {
            ways.emplace_back();
            for (std::uint64_t unit = 0; unit < count_; unit++) {
                if ((mask >> unit & 1) != 0) {
                    ways.back().push_back(unit);
                }
            }
        }
        return ways;
    }
    ways.push_back(run(0, 1));
    if (count_ > most_units) {
        ways.push_back(run(0, most_units));
        return ways;
    }
    ways.push_back(run(0, count_ / 2));
    ways.push_back(run(0, count_ - 1));
    ways.push_back(run(1, count_));
    ways.push_back(run(count_ / 2, count_));
    ways.emplace_back();
    for (std::uint64_t unit = 0; unit < count_; unit += 2) {
        ways.back().push_back(unit);
    }
    std::ranges::sort(ways);
    ways.erase(std::unique(ways.begin(), ways.end()), ways.end());
    return ways;
}

std::vector<std::uint64_t> TearUnits::random(std::mt19937_64& generator) const
{
    if (count_ > most_units) {
        return run(0, 1 + below(generator, most_units));
    }
    for (;;) {
        std::vector<std::uint64_t> units;
        for (std::uint64_t unit = 0; unit < count_; unit++) {
            if ((generator() & 1) != 0) {
                units.push_back(unit);
            }
        }
        if (!units.empty() && units.size() < count_) {
            return units;
        }
    }
}

}  // namespace resilience::nbdcrash
