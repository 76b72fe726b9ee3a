// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The vote of a quorum: which answer to believe when replicas disagree.
//
// The rules, and the way ties fall, are those of QEMU's quorum driver, so that
// its users find what they know:
//
//   * a replica that failed has no vote on the data;
//   * answers are compared byte by byte; equal answers are one version;
//   * the version with most votes wins; on a tie the version whose first
//     holder has the highest index (A A B B: B);
//   * the winner must have at least `threshold` votes, else nothing is
//     returned: no answer is better than a wrong one;
//   * when too few replicas answered at all, the result is the most frequent
//     error; on a tie the error first seen at the highest index.
//
// Replicas that are stale have no vote.  Where those that are current do not settle
// it, elect_among_all() says what stale ones may still say; docs/consistency.md, R16,
// argues it.
//
// This is pure logic: no I/O, no threads, no clock.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace resilience {

/// What a replica's copy of a place is worth.
enum class Standing : std::uint8_t {
    current,   ///< it has all that was acknowledged there
    missed,    ///< stale: it lacks something near there, but what it did is still on it
    doubtful,  ///< stale, and may have lost what it did, or never had it
};

/// What one replica answered; ballots stand in child order.
struct Ballot {
    int error = 0;                    ///< 0, or the errno it failed with
    std::span<const std::byte> data;  ///< the content, all of equal length; unused on error
    Standing standing = Standing::current;  ///< for elect_among_all() only
};

struct Vote {
    int error = 0;                    ///< 0: `winner` holds the data; else the errno of the vote
    bool agreed = false;              ///< every replica that answered holds the same data
    std::size_t winner = 0;           ///< index of the winning version's first holder
    std::size_t votes = 0;            ///< how many hold the winning version
    /// Indices of the replicas whose data lost, in the order in which they are
    /// reported: newest version first, highest index first within it.  Empty
    /// when there is no winner: then nobody can be accused.
    std::vector<std::size_t> losers;
};

/// Counts the votes on the data of a read.  `threshold` >= 1.
Vote count_votes(std::span<const Ballot> ballots, std::size_t threshold);

/// The vote on one sector, in which replicas that are stale are heard if those that are
/// current do not settle it:
///
///   current ones that answered  | `missed` counts           | `doubtful` counts
///   threshold or more agree     | not                       | not
///   threshold or more, who do   | for what a current one    | not
///     not                       |   holds, if majority      |
///   fewer                       | for what a current one    | for what a current one
///                               |   holds                   |   holds
///   none                        | if majority               | not
///
/// `majority`: the threshold is more than half of `members`, who are all replicas that
/// there are, also those that were not asked.  Only then no content from before the last
/// acknowledged write can reach the threshold.  `losers` may name stale ones.
Vote elect_among_all(std::span<const Ballot> ballots, std::size_t threshold, std::size_t members);

/// The errno that represents `errors` (those that are 0 are passed over): the
/// most frequent; on a tie the one first seen at the highest index.  EIO if
/// all are 0.
int vote_on_errors(std::span<const int> errors);

}  // namespace resilience
