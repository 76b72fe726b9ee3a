// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What clients did to the disk, and what it must hold now.
//
// Each write puts a word that nobody else has into each sector: its number, and
// the sector it is meant for.  So whatever is found in a sector tells where it
// comes from.

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/device/request.h"
#include "tests/clients/history.h"

namespace resilience::sim {

/// What a sector holds, as its first word says; 0: zeroes.
using Word = std::uint64_t;

class Oracle {
public:
    explicit Oracle(std::uint64_t sectors);

    // ---- a client's operation

    /// Returns the operation's number, which is also its moment.
    std::uint64_t begins(const Request& request);
    /// For reads the data must be in request.into.  Returns what is wrong.
    std::optional<std::string> ends(std::uint64_t number, const Request& request, int error);

    /// The number that the next operation will get, and the oldest that runs.
    std::uint64_t next_number() const { return moment_; }
    std::uint64_t oldest_running() const
    {
        return running_.empty() ? moment_ : *running_.begin();
    }

    /// A flush has been acknowledged: these sectors are durable.
    void flushed(const std::vector<std::uint64_t>& sectors);
    /// What was not flushed may be lost: until it is read or written again a sector may
    /// have any of what was written since.
    void lost_power();

    static void fill(std::span<std::byte> data, std::uint64_t offset, std::uint64_t number);

    // ---- what the disk must hold

    struct Sector {
        Word expected = 0;
        int writers = 0;              ///< that have not been answered
        bool anything = false;        ///< a write failed: it may hold what it likes
        std::uint64_t started = 0;    ///< moment of the last write's start
        std::uint64_t safe = 0;       ///< number of the write that was last flushed
        std::vector<std::uint64_t> since;  ///< those that have begun since
    };
    const Sector& at(std::uint64_t sector) const { return sectors_[sector]; }
    std::uint64_t sectors() const { return sectors_.size(); }
    bool quiet(std::uint64_t sector) const
    {
        return sectors_[sector].writers == 0 && !sectors_[sector].anything;
    }

    /// Looks at the whole history; returns what is wrong.
    std::optional<std::string> violation() const;

private:
    std::optional<std::string> ends_read(std::uint64_t number, const Request& request);
    void ends_extents(std::uint64_t number, const Request& request);

    std::uint64_t moment_ = 1;
    std::set<std::uint64_t> running_;
    std::vector<Sector> sectors_;
    std::vector<test::SectorHistory> histories_;
};

}  // namespace resilience::sim
