// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/fastest.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/core/compare.h"
#include "filters/quorum/blocks.h"
#include "filters/quorum/read.h"

namespace resilience::quorum {

namespace {

/// Requests that a child may be behind before it is no longer asked; a slow one is
/// still compared, at its own pace.
constexpr int most_behind = 64;
constexpr int most_behind_if_slow = 4;

/// Leaves out children that are far behind, as long as `threshold` others are
/// left.
void leave_out_laggards(Children& voters, std::size_t threshold)
{
    std::size_t spare = voters.size() > threshold ? voters.size() - threshold : 0;
    std::erase_if(voters, [&](const ChildPtr& child) {
        if (spare == 0 ||
            child->in_flight() < (child->reading.slow ? most_behind_if_slow : most_behind)) {
            return false;
        }
        spare--;
        child->counters.not_compared++;
        return true;
    });
}

/// The ballots of those that have answered; the others count as failed.
Vote vote_of(const std::vector<Slot>& slots, std::size_t threshold)
{
    std::vector<Ballot> ballots;
    ballots.reserve(slots.size());
    for (const Slot& slot : slots) {
        ballots.push_back({slot.error,
                           slot.ok() ? slot.request->into : std::span<std::byte>()});
    }
    return count_votes(ballots, threshold);
}

void note(const std::vector<Slot>& slots, const Vote& vote, ByteRange range)
{
    std::vector<Heard> heard;
    heard.reserve(slots.size());
    for (const Slot& slot : slots) {
        // One that has not answered is heard of later.
        heard.push_back({slot.child.get(), slot.done ? slot.error : abandoned_error,
                         slot.ok() ? slot.request->into : std::span<std::byte>()});
    }
    note_vote(range, heard, vote);
}

void send_all(Fanout& fan, const Children& voters, const Request& request)
{
    fan.measure();
    for (const ChildPtr& child : voters) {
        child->counters.reads++;
        fan.add(child);
    }
    fan.slowest_first(Op::read, [&](std::size_t i) {
        auto own = own_read(request);
        if (!fan.try_now(i, own)) {
            fan.send(i, std::move(own));
        }
    });
}

}  // namespace

/// A read that was answered before all children had.
struct FastestReader::Straggler {
    ByteRange range;
    std::shared_ptr<Fanout::Shared> fan;
    std::shared_ptr<Request> given;  ///< holds what the client got
    std::size_t remaining = 0;       ///< under FastestReader::mutex_
    std::atomic<bool> obsolete{false};
    Stragglers::iterator position;
};

FastestReader::~FastestReader()
{
    const std::lock_guard lock(mutex_);
    for (const auto& straggler : stragglers_) {
        const std::lock_guard fan_lock(straggler->fan->mutex);
        straggler->fan->late = nullptr;
    }
}

int FastestReader::read(Request& request)
{
    const ByteRange range = range_of(request);
    const RangeLock::Guard guard = state_.lock(range, LockMode::shared);
    if (!guard) {
        return EIO;
    }
    Children voters = state_.voters(range);
    leave_out_laggards(voters, state_.threshold());
    if (voters.size() < state_.threshold()) {
        Vote none;
        none.error = EIO;  // too few to vote
        return conclude({}, none, request);
    }
    Fanout fan(state_.clock, voters.size());
    send_all(fan, voters, request);
    fan.wait_until([&] { return vote_of(fan.slots(), state_.threshold()).error == 0; });

    const std::vector<Slot> slots = leave_stragglers(fan, range);
    const Vote vote = vote_of(slots, state_.threshold());
    return conclude(slots, vote, request);
}

/// Takes leave of those that have not answered; returns how all stand now.
/// The vote on that is good if the one that ended the wait was: later answers
/// can only add to it.
std::vector<Slot> FastestReader::leave_stragglers(Fanout& fan, ByteRange range)
{
    auto straggler = std::make_shared<Straggler>();
    // Held until the straggler is complete: late answers wait for it here.
    const std::lock_guard lock(mutex_);
    std::vector<Slot> slots = fan.detach(
        [this, straggler](std::size_t index) { late_answer(straggler, index); });
    straggler->remaining = std::count_if(slots.begin(), slots.end(),
                                         [](const Slot& slot) { return !slot.done; });
    if (straggler->remaining == 0) {
        fan.detach({});
        return slots;
    }
    straggler->range = range;
    straggler->fan = fan.shared();
    const Vote vote = vote_of(slots, state_.threshold());
    if (vote.error == 0) {
        straggler->given = slots[vote.winner].request;
    } else {
        straggler->obsolete = true;
    }
    straggler->position = stragglers_.insert(stragglers_.end(), straggler);
    count_ = stragglers_.size();
    return slots;
}

/// Reports what has come so far, and answers the client.
int FastestReader::conclude(const std::vector<Slot>& slots, const Vote& vote, Request& request)
{
    const ByteRange range = range_of(request);
    if (vote.error != 0) {  // then all have answered, or been given up
        Answers answers(slots, range);
        Buffer right;
        if (const int error = find_by_block(state_, answers, vote.error, right)) {
            return error;
        }
        if (state_.options.rewrite_corrupted && all_current(answers)) {
            state_.heal_later(range);
        }
        std::memcpy(request.into.data(), right.span().data(), right.size);
        return 0;
    }
    bool heal = !vote.losers.empty();
    for (const Slot& slot : slots) {
        if (slot.done && slot.error != 0) {
            state_.report_error(*slot.child, Fault::read, range, slot.error);
            heal = heal || worth_rewriting(slot.error);
        }
    }
    note(slots, vote, range);
    const std::span<const std::byte> right = slots[vote.winner].request->into;
    for (const std::size_t loser : vote.losers) {
        state_.report_mismatch(*slots[loser].child, range, right, slots[loser].request->into);
    }
    if (heal && state_.options.rewrite_corrupted) {
        state_.heal_later(range);
    }
    std::memcpy(request.into.data(), right.data(), right.size());
    return 0;
}

void FastestReader::late_answer(const std::shared_ptr<Straggler>& straggler, std::size_t index)
{
    Slot slot;
    std::shared_ptr<Request> given;
    {
        const std::lock_guard lock(mutex_);
        const std::lock_guard fan_lock(straggler->fan->mutex);
        slot = straggler->fan->slots[index];
        given = straggler->given;
    }
    compare_late(*straggler, slot, given);
    // Only now: until then forget() must find it.
    const std::lock_guard lock(mutex_);
    const std::lock_guard fan_lock(straggler->fan->mutex);
    if (--straggler->remaining == 0) {
        stragglers_.erase(straggler->position);
        count_ = stragglers_.size();
        straggler->fan->late = nullptr;  // it holds the straggler
    }
}

void FastestReader::compare_late(const Straggler& straggler, const Slot& slot,
                                 const std::shared_ptr<Request>& given)
{
    const ByteRange range = straggler.range;
    Differences& known = slot.child->differences();
    if (slot.error == ESHUTDOWN) {
        return;  // the child was removed, or all of this ends
    }
    if (slot.error != 0) {
        state_.report_error(*slot.child, Fault::read, range, slot.error);
        if (worth_rewriting(slot.error)) {
            known.add_unread(range);
        }
    } else if (straggler.obsolete) {
        return;
    } else if (first_difference(given->into, slot.request->into)) {
        state_.report_mismatch(*slot.child, range, given->into, slot.request->into);
        known.add_where(given->into, slot.request->into, range.begin);
    } else {
        known.remove(range);
        return;
    }
    if (straggler.obsolete) {
        known.remove(range);  // a write may have put it right before it was noted
    }
    if (state_.options.rewrite_corrupted && (slot.error == 0 || worth_rewriting(slot.error))) {
        state_.heal_later(range);
    }
}

void FastestReader::forget(ByteRange range)
{
    if (count_ == 0) {
        return;
    }
    const std::lock_guard lock(mutex_);
    for (const auto& straggler : stragglers_) {
        if (straggler->range.begin < range.end && range.begin < straggler->range.end) {
            straggler->obsolete = true;
        }
    }
}

void FastestReader::abandon_overdue()
{
    if (count_ == 0) {
        return;
    }
    std::vector<std::shared_ptr<Fanout::Shared>> fans;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& straggler : stragglers_) {
            fans.push_back(straggler->fan);
        }
    }
    const TimePoint now = state_.clock.now();
    for (const auto& fan : fans) {
        std::unique_lock lock(fan->mutex);
        fan->abandon_overdue(now, lock);
    }
}

}  // namespace resilience::quorum
