// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/pair/pair.h"

#include <fmt/format.h>

namespace resilience::replication {

namespace {

Admission refuse(Refusal refusal, std::string text)
{
    Admission answer;
    answer.refusal = refusal;
    answer.text = std::move(text);
    return answer;
}

std::string wrong_size(std::uint64_t known, std::uint64_t size)
{
    return fmt::format("its identity was made for a disk of {} bytes, this one has {}", known,
                       size);
}

}  // namespace

std::string_view to_string(Refusal refusal)
{
    switch (refusal) {
    case Refusal::none: return "none";
    case Refusal::malformed: return "malformed";
    case Refusal::size: return "size";
    case Refusal::other_pair: return "other-pair";
    case Refusal::stale_epoch: return "stale-epoch";
    case Refusal::two_primaries: return "two-primaries";
    case Refusal::promoted: return "promoted";
    case Refusal::no_session: return "no-session";
    case Refusal::wrong_state: return "wrong-state";
    case Refusal::io_error: return "io-error";
    case Refusal::timeout: return "timeout";
    }
    return "unknown";
}

Admission admit(const Identity& mine, std::uint64_t size, bool has_map, const Offer& theirs)
{
    if (theirs.pair == PairId{} || theirs.epoch == 0) {
        return refuse(Refusal::malformed, "the hello names no pair");
    }
    if (theirs.device_size != size) {
        return refuse(Refusal::size, fmt::format("the primary's disk has {} bytes, this one {}",
                                                 theirs.device_size, size));
    }
    if (mine.role == Role::promoted) {
        return refuse(theirs.epoch < mine.epoch && theirs.pair == mine.pair ? Refusal::stale_epoch
                                                                            : Refusal::promoted,
                      fmt::format("this side was promoted to primary in epoch {}, and the sender "
                                  "is of epoch {}: start the sender as the secondary "
                                  "(replication-mode=secondary), and this one as the primary",
                                  mine.epoch, theirs.epoch));
    }
    if (mine.has_pair() && mine.pair != theirs.pair) {
        return refuse(Refusal::other_pair,
                      fmt::format("this disk belongs to the pair {}, the sender to {}: they are "
                                  "unrelated disks",
                                  to_string(mine.pair), to_string(theirs.pair)));
    }
    if (theirs.epoch < mine.epoch) {
        return refuse(Refusal::stale_epoch,
                      fmt::format("this side knows epoch {}, the sender is of epoch {}: it was "
                                  "replaced by a failover",
                                  mine.epoch, theirs.epoch));
    }
    if (theirs.epoch == mine.epoch && mine.role == Role::primary) {
        return refuse(Refusal::two_primaries,
                      fmt::format("this side is the primary of epoch {} itself", mine.epoch));
    }
    Admission answer;
    answer.next = mine;
    answer.next.pair = theirs.pair;
    answer.next.epoch = theirs.epoch;
    answer.next.role = Role::secondary;
    answer.next.device_size = size;
    if (mine.role == Role::primary) {
        answer.next.owes_map = has_map;
    }
    // An epoch that this side has not lived through: nothing is known of it.
    if (mine.role != Role::secondary || theirs.epoch != mine.epoch) {
        answer.next.consistent = false;
        answer.next.based = false;
        answer.next.checkpoint = 0;
    }
    answer.was_primary = answer.next.owes_map;
    answer.needs_full = answer.next.needs_full();
    return answer;
}

Identity note_sync_begin(const Identity& mine)
{
    Identity next = mine;
    next.based = true;
    next.owes_map = false;  // all of the disk, or all that the map says, is noted
    return next;
}

Identity note_map_taken(const Identity& mine) { return note_sync_begin(mine); }

Identity note_checkpoint(const Identity& mine)
{
    Identity next = mine;
    next.consistent = next.based || !next.has_pair();
    return next;
}

Identity promote(const Identity& mine)
{
    Identity next = mine;
    next.role = Role::promoted;
    next.merging = true;
    next.epoch++;
    return next;
}

Identity note_merged(const Identity& mine)
{
    Identity next = mine;
    next.merging = false;
    return next;
}

Beginning begin_primary(const Identity& mine, std::uint64_t size, const PairId& fresh)
{
    Beginning result;
    result.next = mine;
    if (mine.role != Role::none && mine.device_size != size) {
        result.error = wrong_size(mine.device_size, size);
        return result;
    }
    if (mine.role == Role::secondary) {
        result.error = fmt::format("this disk is the secondary of epoch {}: start it with "
                                   "replication-mode=secondary and promote it "
                                   "(replication-failover) before it can be the primary",
                                   mine.epoch);
        return result;
    }
    if (mine.merging) {
        result.error = "its failover has not ended: what it shows is not all on the disk yet; "
                       "start it with replication-mode=secondary and wait for the state done";
        return result;
    }
    result.next.role = Role::primary;
    result.next.consistent = true;
    result.next.device_size = size;
    if (!mine.has_pair()) {
        result.next.pair = fresh;
        result.next.epoch = 1;
        result.next.checkpoint = 0;
    } else if (mine.role == Role::promoted) {
        result.next.checkpoint = 0;  // of another disk
    }
    return result;
}

Beginning begin_secondary(const Identity& mine, std::uint64_t size)
{
    Beginning result;
    result.next = mine;
    if (mine.role != Role::none && mine.device_size != size) {
        result.error = wrong_size(mine.device_size, size);
    }
    return result;
}

Judgement judge(const Identity& mine, const Peer& peer)
{
    Judgement result;
    result.text = peer.text;
    if (peer.refusal != Refusal::none) {
        result.then =
            fences(peer.refusal) ? Judgement::Then::fenced : Judgement::Then::retry;
        return result;
    }
    if (peer.needs_full) {
        result.then = Judgement::Then::full;
        result.text = "the secondary has nothing of this disk yet";
        return result;
    }
    if (!peer.was_primary && peer.checkpoint < mine.checkpoint) {
        result.then = Judgement::Then::full;
        result.text = fmt::format("the secondary is at checkpoint {}, and had made checkpoint {}: "
                                  "its disk was lost or restored from a backup",
                                  peer.checkpoint, mine.checkpoint);
        return result;
    }
    result.then = Judgement::Then::changes;
    result.text.clear();
    return result;
}

}  // namespace resilience::replication
