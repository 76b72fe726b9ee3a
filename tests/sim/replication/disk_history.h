// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "tests/sim/replication/disk.h"

namespace resilience::sim {

/// What the disk of the primary held when.
class DiskHistory {
public:
    explicit DiskHistory(std::uint64_t sectors) : changes_(sectors) {}

    void begin(const Disk& disk)
    {
        changes_.assign(disk.sectors(), {});
        for (std::uint64_t s = 0; s < disk.sectors(); s++) {
            changes_[s].push_back({moment_, disk.stamp(s)});
        }
        from_ = moment_;
    }
    void changed(const Disk& disk, ByteRange range)
    {
        moment_++;
        for (std::uint64_t s = range.begin / sector; s * sector < range.end; s++) {
            changes_[s].push_back({moment_, disk.stamp(s)});
        }
    }
    std::uint64_t moment() const { return moment_; }
    /// The latest moment at which the disk held just this, not before the one
    /// that was found last; nullopt if there is none.
    std::optional<std::uint64_t> find(const Disk& disk)
    {
        std::set<std::uint64_t> candidates{from_};
        std::vector<std::uint64_t> moving;
        for (std::uint64_t s = 0; s < disk.sectors(); s++) {
            auto& changes = changes_[s];
            // What was before the last checkpoint is not needed any more.
            while (changes.size() > 1 && changes[1].moment <= from_) {
                changes.erase(changes.begin());
            }
            if (changes.size() == 1) {
                if (changes[0].stamp != disk.stamp(s)) {
                    return std::nullopt;
                }
                continue;
            }
            moving.push_back(s);
            for (const Change& change : changes) {
                candidates.insert(std::max(change.moment, from_));
            }
        }
        for (auto it = candidates.rbegin(); it != candidates.rend(); ++it) {
            const bool fits = std::ranges::all_of(
                moving, [&](std::uint64_t s) { return at(s, *it) == disk.stamp(s); });
            if (fits) {
                from_ = *it;
                return *it;
            }
        }
        return std::nullopt;
    }

private:
    struct Change {
        std::uint64_t moment = 0;
        std::uint64_t stamp = 0;
    };

    std::uint64_t at(std::uint64_t s, std::uint64_t moment) const
    {
        std::uint64_t stamp = 0;
        for (const Change& change : changes_[s]) {
            if (change.moment <= moment) {
                stamp = change.stamp;
            }
        }
        return stamp;
    }

    std::uint64_t moment_ = 1;
    std::uint64_t from_ = 1;
    std::vector<std::vector<Change>> changes_;
};

}  // namespace resilience::sim
