// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/read.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/core/compare.h"

namespace resilience::quorum {

namespace {

std::vector<std::size_t> to_rewrite(Answers& answers, const Vote& vote)
{
    std::vector<std::size_t> targets = vote.losers;
    for (std::size_t i = 0; i < answers.list().size(); i++) {
        if (worth_rewriting(answers.list()[i].error)) {
            targets.push_back(i);
        }
    }
    return targets;
}

void note(Answers& answers, const Vote& vote)
{
    std::vector<Heard> heard;
    heard.reserve(answers.list().size());
    for (const Answer& answer : answers.list()) {
        heard.push_back({answer.child.get(), answer.error, answer.data.span()});
    }
    note_vote(answers.range(), heard, vote);
}

void rewrite(State& state, ByteRange range, Answers& answers, const Vote& vote)
{
    const Buffer right = answers.list()[vote.winner].data;
    Fanout fan(state.clock, answers.list().size());
    for (const std::size_t i : to_rewrite(answers, vote)) {
        const ChildPtr& child = answers.list()[i].child;
        if (child->device().capabilities().writable) {
            fan.add(child);
        }
    }
    for (std::size_t slot = 0; slot < fan.slots().size(); slot++) {
        auto request = std::make_shared<Request>();
        request->op = Op::write;
        request->offset = range.begin;
        request->length = range.length();
        request->from = right.span();
        request->owner = right.memory;
        fan.send(slot, std::move(request));
    }
    fan.wait();
    for (const Slot& slot : fan.slots()) {
        Child& child = *slot.child;
        if (slot.error == 0) {
            child.counters.rewrites++;
            child.wrote(range, slot.epoch, false);
        } else {
            child.counters.rewrite_errors++;
            child.missed(range);  // what is there now, nobody knows
            state.report_error(child, Fault::write, range, slot.error);
        }
    }
}

void blkverify_check(State& state, Answers& answers, const Vote& vote)
{
    if (!state.options.blkverify || vote.agreed || answers.list().size() != 2 ||
        answers.list()[0].error != 0 || answers.list()[1].error != 0) {
        return;
    }
    const auto first = first_difference(answers.list()[0].data.span(),
                                        answers.list()[1].data.span());
    state.observer.blkverify_mismatch(answers.range(), answers.range().begin + first.value_or(0));
}

bool needs_repair(const State& state, Answers& answers, const Vote& vote)
{
    return state.options.rewrite_corrupted && vote.error == 0 &&
           !to_rewrite(answers, vote).empty();
}

}  // namespace

bool worth_rewriting(int error)
{
    return error != 0 && error != abandoned_error && error != ENOTCONN && error != ESHUTDOWN;
}

void report_vote(State& state, Answers& answers, const Vote& vote)
{
    const ByteRange range = answers.range();
    note(answers, vote);
    for (const Answer& answer : answers.list()) {
        if (answer.error != 0) {
            state.report_error(*answer.child, Fault::read, range, answer.error);
        }
    }
    for (const std::size_t i : vote.losers) {
        const Answer& loser = answers.list()[i];
        state.report_mismatch(*loser.child, range, answers.list()[vote.winner].data.span(),
                              loser.data.span());
    }
}

int read_by_vote(State& state, Request& request)
{
    const ByteRange range = range_of(request);
    RangeLock::Guard guard = state.lock(range, LockMode::shared);
    if (!guard) {
        return EIO;
    }
    Children voters = state.voters(range);
    if (voters.size() < state.threshold()) {
        return EIO;  // too few to vote
    }
    Answers answers(std::move(voters), range);
    if (answers.read_together(request.into)) {
        for (const Answer& answer : answers.list()) {
            answer.child->differences().remove(range);
        }
        return 0;
    }
    answers.read_separately(state.clock, true);
    const Vote vote = answers.vote(state.threshold());
    blkverify_check(state, answers, vote);
    report_vote(state, answers, vote);
    if (vote.error != 0) {
        return vote.error;
    }
    if (needs_repair(state, answers, vote)) {
        // To rewrite, we must be alone on the range.  Between letting go and
        // coming back somebody may write there, so the vote is held again:
        // healing with the old winner could undo that write on one child.
        guard.release();
        return repair(state, range, request.into);
    }
    std::memcpy(request.into.data(), answers.list()[vote.winner].data.span().data(),
                request.into.size());
    return 0;
}

int repair(State& state, ByteRange range, std::span<std::byte> into)
{
    const RangeLock::Guard guard = state.lock(range, LockMode::exclusive);
    if (!guard) {
        return EIO;
    }
    Children voters = state.voters(range);
    if (voters.size() < state.threshold()) {
        return EIO;  // too few to vote
    }
    Answers answers(std::move(voters), range);
    answers.read_separately(state.clock);
    const Vote vote = answers.vote(state.threshold());
    note(answers, vote);
    if (vote.error != 0) {
        return vote.error;
    }
    if (!to_rewrite(answers, vote).empty()) {
        rewrite(state, range, answers, vote);
    }
    if (!into.empty()) {
        std::memcpy(into.data(), answers.list()[vote.winner].data.span().data(), into.size());
    }
    return 0;
}

}  // namespace resilience::quorum
