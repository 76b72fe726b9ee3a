// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Which states a crash can leave behind, as the NBD protocol allows them.
//
// What a flush has covered that was answered, and what was written with FUA
// and answered, is there.  Of the rest any subset may be, and each of its
// members in part.  So all depends on the moment of the crash only through the
// set of writes that are not durable then, and that set is largest just before
// a flush is done or a FUA write is: these are the moments to look at (with
// the end of the range).  Subsets of earlier moments are subsets of theirs.
//
// A client that does not wait for a flush or a FUA write before it sends more can
// find on the medium what came later, and not what the flush was to cover.  Logs
// with our extension show which requests overlapped; each flush and FUA write that
// others overlap with has a second moment, behind the last one of them.  And a FUA
// write in flight can be torn, as any other.
//
// n writes have 2^n subsets.  Up to a bound all of them are listed.  Above it:
// every prefix, every single write missing, every single write alone, and so
// many drawn at random.  Tears the same: all of them for few sectors, else
// those that disks are known for (cut short, only the end, every second
// sector), and some at random.
//
// The list depends on the log and the options alone: the same seed gives the
// same states in the same order, whatever the machine.  It begins with what
// finds most in the shortest time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "common/replay/point.h"

namespace resilience::nbdcrash {

/// Which states are wanted.
struct StateOptions {
    bool flush = false;   ///< after every flush
    bool fua = false;     ///< after every FUA write
    bool prefix = false;  ///< after every entry
    bool subset = false;  ///< any of what is not durable
    bool torn = false;    ///< any of it in part
    std::uint64_t from = 0;        ///< entries; all before is there, whole
    std::uint64_t to = 0;          ///< entries
    unsigned exhaustive = 8;       ///< all subsets of so many writes; at most max_exhaustive
    unsigned random = 64;          ///< of more than that: so many subsets for each moment
    std::uint64_t seed = 1;
    std::uint32_t sector_size = 512;  ///< of the log, bytes
    std::uint32_t tear = 512;         ///< bytes that are never torn: a multiple of sector_size
};

constexpr unsigned max_exhaustive = 16;

/// One thread at a time.
class Enumerator {
public:
    /// `index` outlives this object.
    Enumerator(const writelog::LogIndex& index, const StateOptions& options);

    /// The next state; nothing after the last one.
    std::optional<writelog::State> next();

private:
    enum class Phase : std::uint8_t { points, prefixes, subsets, tears, end };

    /// Just before a flush or FUA write is done, with or without what overlaps with
    /// it, or the end.
    struct Moment {
        std::uint64_t entries = 0;
        std::vector<std::uint64_t> open;  ///< entries that need not be there
    };

    void find_moments();
    std::uint64_t end_of_overlap(std::uint64_t entry) const;
    Moment moment(std::size_t number) const;
    void fill();
    void add_points();
    void add_prefixes();
    /// Whether there are more of them.
    bool add_subsets(const Moment& moment, std::mt19937_64& random);
    void add_all_subsets(const Moment& moment);
    void add_random_subsets(const Moment& moment, std::mt19937_64& random);
    void add_tears(const Moment& moment, std::mt19937_64& random);
    void add_random_tears(const Moment& moment, std::mt19937_64& random);
    void add_fua_tears(const Moment& moment, std::mt19937_64& random);
    std::vector<std::uint64_t> in_range(std::vector<std::uint64_t> entries) const;
    void add(writelog::State state) { ready_.push_back(std::move(state)); }
    std::mt19937_64 generator(std::uint64_t moment) const;

    const writelog::LogIndex& index_;
    const StateOptions options_;
    std::vector<std::uint64_t> moments_;  ///< entries
    Phase phase_ = Phase::points;
    std::size_t moment_ = 0;
    std::size_t alone_ = 0;  ///< of the moment: so many writes alone were listed
    std::vector<writelog::State> ready_;
    std::size_t taken_ = 0;
};

/// How many states there are.
std::uint64_t count_states(const writelog::LogIndex& index, const StateOptions& options);

}  // namespace resilience::nbdcrash
