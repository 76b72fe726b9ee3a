// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How a point in time, and a state of the device after a crash, are named: on
// command lines, as export names, and in reports.
//
//   POINT   N              the first N entries are done (0: none)
//           mark:NAME      all that is before the mark; #2 for the second one
//           mark:NAME#2    of that name (a mark whose own name is NAME#2 wins)
//           flush:K        the K-th flush is done; counted from 1
//           fua:K          the K-th FUA entry is done; counted from 1
//           eK             epoch K is written, and the flush that ends it is not done;
//                          counted from 0
//           end            all entries
//
//   STATE   POINT[:CLAUSE]...
//   CLAUSE  drop=N,N,...   these entries never reached the medium
//           keep=N,N,...   of the entries that need not be there, only these reached it
//           torn=N:S+S-S,...  of entry N only these of its sectors (from 0) reached it
//
// N is an entry's number in the log.  What is durable at the point cannot be
// dropped or torn: entries before the last flush, and FUA entries.
//
// What a flush or FUA write covers that may still be in flight then (durability.h)
// may be named by drop= and torn= as well.  keep= does not speak of it: it is there.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/replay/durability.h"

namespace resilience::writelog {

/// A write of which only some sectors reached the medium.
struct Tear {
    std::uint64_t entry = 0;
    std::vector<std::uint64_t> sectors;  ///< those that did: log sectors from the entry's
                                         ///< start; ascending; may be empty
    friend bool operator==(const Tear&, const Tear&) = default;
};

/// A state, resolved against a log: the first `entries` entries, without
/// `dropped`, and with `torn` in part.
struct State {
    std::uint64_t entries = 0;
    std::vector<std::uint64_t> dropped;  ///< entry numbers, ascending
    std::vector<Tear> torn;              ///< by entry, ascending

    friend bool operator==(const State&, const State&) = default;
};

/// The number of entries that are done at POINT.  Throws LogError, which says
/// what is wrong and what there is (marks that look alike, how many flushes).
std::uint64_t resolve_point(const LogIndex& index, std::string_view point);

/// The same for STATE.
State resolve_state(const LogIndex& index, std::string_view state);

/// The shortest text that names `state`.
std::string to_string(const LogIndex& index, const State& state);

/// The first entry that `state` lacks, wholly or in part; state.entries if it
/// lacks none.
std::uint64_t first_missing(const State& state);

}  // namespace resilience::writelog
