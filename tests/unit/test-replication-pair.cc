// SPDX-License-Identifier: BSD-3-Clause

// Who may be the primary of a pair: every refusal, and what is copied after an
// acceptance.

#include <catch2/catch.hpp>

#include "filters/replication/pair/pair.h"

using namespace resilience::replication;

namespace {

constexpr std::uint64_t size = 1 << 20;
constexpr PairId ours{std::byte{1}};
constexpr PairId theirs{std::byte{2}};

Identity member(Role role, std::uint64_t epoch)
{
    Identity identity;
    identity.pair = ours;
    identity.epoch = epoch;
    identity.role = role;
    identity.device_size = size;
    identity.consistent = identity.based = role == Role::secondary;
    return identity;
}

Refusal refusal(const Identity& mine, const Offer& offer)
{
    return admit(mine, size, true, offer).refusal;
}

}  // namespace

TEST_CASE("a disk without a pair joins the first one, and needs everything")
{
    const Admission admission = admit({}, size, false, {ours, 1, size});
    CHECK(admission.refusal == Refusal::none);
    CHECK(admission.needs_full);
    CHECK(admission.next.pair == ours);
    CHECK(admission.next.role == Role::secondary);
    CHECK_FALSE(admission.next.consistent);
}

TEST_CASE("who is refused, and why")
{
    const Identity secondary = member(Role::secondary, 3);
    CHECK(refusal(secondary, {ours, 3, size}) == Refusal::none);
    CHECK(refusal(secondary, {ours, 3, size + 512}) == Refusal::size);
    CHECK(refusal(secondary, {theirs, 3, size}) == Refusal::other_pair);
    CHECK(refusal(secondary, {ours, 2, size}) == Refusal::stale_epoch);
    CHECK(refusal(secondary, {ours, 0, size}) == Refusal::malformed);
    CHECK(refusal(secondary, {PairId{}, 3, size}) == Refusal::malformed);
    CHECK(refusal(member(Role::primary, 3), {ours, 3, size}) == Refusal::two_primaries);
    CHECK(refusal(member(Role::primary, 3), {ours, 4, size}) == Refusal::none);
    const Identity promoted = promote(secondary);
    CHECK(promoted.epoch == 4);
    CHECK(refusal(promoted, {ours, 3, size}) == Refusal::stale_epoch);
    CHECK(refusal(promoted, {ours, 4, size}) == Refusal::promoted);
    CHECK(refusal(promoted, {ours, 5, size}) == Refusal::promoted);
}

TEST_CASE("an old primary owes what it wrote; without a map it needs everything")
{
    const Offer successor{ours, 2, size};
    const Admission with = admit(member(Role::primary, 1), size, true, successor);
    CHECK(with.was_primary);
    CHECK_FALSE(with.needs_full);
    CHECK_FALSE(with.next.consistent);
    CHECK(note_map_taken(with.next).based);
    const Admission without = admit(member(Role::primary, 1), size, false, successor);
    CHECK_FALSE(without.was_primary);
    CHECK(without.needs_full);
}

TEST_CASE("an epoch that was not lived through leaves nothing known")
{
    const Admission later = admit(member(Role::secondary, 1), size, true, {ours, 2, size});
    CHECK(later.refusal == Refusal::none);
    CHECK(later.needs_full);
    CHECK_FALSE(later.next.consistent);
    const Admission same = admit(member(Role::secondary, 1), size, true, {ours, 1, size});
    CHECK_FALSE(same.needs_full);
    CHECK(same.next.consistent);
}

TEST_CASE("what a primary does with the answer")
{
    Identity mine = member(Role::primary, 2);
    mine.checkpoint = 10;
    Peer peer;
    peer.epoch = 2;
    peer.checkpoint = 10;
    CHECK(judge(mine, peer).then == Judgement::Then::changes);
    peer.checkpoint = 9;
    CHECK(judge(mine, peer).then == Judgement::Then::full);
    peer.was_primary = true;
    CHECK(judge(mine, peer).then == Judgement::Then::changes);
    peer.needs_full = true;
    CHECK(judge(mine, peer).then == Judgement::Then::full);
    for (const Refusal why : {Refusal::stale_epoch, Refusal::two_primaries, Refusal::promoted}) {
        peer.refusal = why;
        CHECK(judge(mine, peer).then == Judgement::Then::fenced);
    }
    peer.refusal = Refusal::wrong_state;
    CHECK(judge(mine, peer).then == Judgement::Then::retry);
}

TEST_CASE("a fence lets in what was made after it")
{
    Fence fence;
    CHECK_FALSE(fence.current(0));
    const std::uint64_t first = fence.begin(4);
    CHECK(fence.current(first));
    CHECK_FALSE(fence.may_write(4));
    CHECK(fence.may_write(5));
    const std::uint64_t second = fence.begin(6);
    CHECK_FALSE(fence.current(first));
    CHECK(fence.current(second));
    CHECK_FALSE(fence.may_write(5));
    fence.close(9);
    CHECK_FALSE(fence.current(second));
    CHECK_FALSE(fence.may_write(9));
}
