// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Who may be the primary of a pair: pure logic, without I/O, threads or a
// clock, so that a simulation can drive both sides through every fault.
//
// What must never happen is that two primaries are both acknowledged.  Each
// side keeps an Identity durably.  An epoch counts the failovers of the pair:
//
//   1. A primary without a pair makes one: a random id, epoch 1.
//   2. A secondary without a pair becomes a member of the first one that says
//      hello.  One that has a pair refuses every other pair.
//   3. A secondary that is promoted raises the epoch and stores that BEFORE it
//      carries out or acknowledges anything on its own.  From then on it
//      refuses everybody, until it is started as a primary or as a secondary
//      again on purpose.
//   4. A primary stores that it is the primary before its first hello.  It is
//      refused by whoever knows a higher epoch; then it acknowledges nothing
//      any more ("fenced").  After a start it does not know yet, so it
//      acknowledges no write before its secondary has accepted it once
//      (or the operator has said that it may: replication-alone).
//   5. A side that was the primary and is started as the secondary waits for
//      a hello with a higher epoch than its own.  What it wrote that the other
//      side has never seen is in its change map, which the new primary takes
//      over before it copies (failback).
//
// What epochs cannot do: a primary that is alive but cut off goes on serving
// its guest, as it has to; if its secondary is promoted meanwhile, both serve
// until they meet.  So whoever fails over makes sure first that the old
// primary's guest is dead.  This is said in the manual.
//
// Fence is the second half.  A write of an old connection can be in a buffer
// of the network when its sender has long reconnected, and would then fall on
// newer data.  So a hello begins a session, and whatever comes on a connection
// to `primary` that was made before it is refused.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "filters/replication/pair/identity.h"

namespace resilience::replication {

/// Why a command of the primary was refused; a number of the wire, so values
/// are for good.
enum class Refusal : std::uint32_t {
    none = 0,           ///< it was not
    malformed = 1,      ///< no command of this version
    size = 2,           ///< the disks have different sizes
    other_pair = 3,     ///< unrelated disks
    stale_epoch = 4,    ///< the sender was replaced by a failover: fenced
    two_primaries = 5,  ///< this side is the primary of the same epoch
    promoted = 6,       ///< this side serves on its own: fenced
    no_session = 7,     ///< another hello came since, or none came at all
    wrong_state = 8,    ///< not now; the text says why
    io_error = 9,       ///< tried, and failed
    timeout = 10,       ///< tried, and not done in time: nothing has changed
};
/// "stale-epoch", ...
std::string_view to_string(Refusal refusal);
/// Whether the sender must not acknowledge anything any more.
constexpr bool fences(Refusal refusal)
{
    return refusal == Refusal::stale_epoch || refusal == Refusal::two_primaries ||
           refusal == Refusal::promoted;
}

/// A command that tells the secondary what the primary has durably noted.
/// sync_begin: everything that differs is in the primary's change map.
Identity note_sync_begin(const Identity& mine);
/// map_taken: what this side wrote when it was the primary is in there, too.
Identity note_map_taken(const Identity& mine);
/// A checkpoint was made of a disk that is a copy of the primary's.
Identity note_checkpoint(const Identity& mine);

/// What a hello says of its sender.
struct Offer {
    PairId pair{};
    std::uint64_t epoch = 0;
    std::uint64_t device_size = 0;
};

/// What a secondary answers.
struct Admission {
    Refusal refusal = Refusal::none;
    std::string text;   ///< for people, when refused
    Identity next;      ///< accepted: to be stored durably before the answer
    /// Nothing on this disk is known to be what the primary had: it needs all.
    bool needs_full = false;
    /// This side wrote on its own since the common checkpoint: its change map
    /// has to be taken over.
    bool was_primary = false;
};
/// `size`: of this side's disk.  `has_map`: it has a change map of what it wrote
/// as the primary.
Admission admit(const Identity& mine, std::uint64_t size, bool has_map, const Offer& theirs);

/// What a side becomes by a failover; to be stored before anything else is done.
Identity promote(const Identity& mine);
/// The merge has ended.
Identity note_merged(const Identity& mine);

/// As what a side starts up, before it has met anybody.
struct Beginning {
    std::string error;  ///< not empty: the mode is refused, with this text
    Identity next;      ///< to be stored if it differs
};
/// In mode primary: `fresh` is the id of a new pair, should there be none.
Beginning begin_primary(const Identity& mine, std::uint64_t size, const PairId& fresh);
Beginning begin_secondary(const Identity& mine, std::uint64_t size);

/// What the primary learns of its secondary by a hello.
struct Peer {
    Refusal refusal = Refusal::none;
    std::string text;
    std::uint64_t epoch = 0;
    std::uint64_t checkpoint = 0;  ///< the last one it has made in this pair
    bool needs_full = false;
    bool was_primary = false;
};
/// What the primary does next.
struct Judgement {
    enum class Then : std::uint8_t {
        retry,   ///< not accepted now; go on without it, ask again later
        fenced,  ///< acknowledge nothing any more
        full,    ///< copy everything
        changes, ///< copy what either side has changed
    };
    Then then = Then::retry;
    std::string text;  ///< the reason, unless `changes`
};
Judgement judge(const Identity& mine, const Peer& peer);

/// Which connections to `primary` may write.  Connections are numbered in the
/// order in which they were made.  Not thread-safe.
class Fence {
public:
    /// A hello was accepted when `newest` was the last connection made.  Returns
    /// the number of the session (1, 2, ...).
    std::uint64_t begin(std::uint32_t newest)
    {
        newest_old_ = newest;
        return ++session_;
    }
    /// This side was promoted: what comes on older connections is refused, and
    /// no session counts any more.
    void close(std::uint32_t newest) { begin(newest); }
    std::uint64_t session() const { return session_; }
    /// Whether a command of `session` is of the one that counts.
    bool current(std::uint64_t session) const { return session != 0 && session == session_; }
    bool may_write(std::uint32_t connection) const { return connection > newest_old_; }

private:
    std::uint64_t session_ = 0;
    std::uint32_t newest_old_ = 0;
};

}  // namespace resilience::replication
