// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/read.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/core/compare.h"
#include "filters/quorum/blocks.h"

namespace resilience::quorum {

namespace {

/// Where those that are current hold something else than what was decided.
void note(const State& state, const Answers& answers, const Buffer& right)
{
    const ByteRange range = answers.range();
    for (const Answer& answer : answers.list()) {
        if ((answer.error != 0 && !worth_rewriting(answer.error)) ||
            answer.child->standing(range) != Standing::current) {
            continue;
        }
        Differences& known = answer.child->differences();
        known.remove(range);
        if (answer.error == 0) {
            if (first_difference(right.span(), answer.data.span())) {
                known.add_where(right.span(), answer.data.span(), range.begin);
            }
            continue;
        }
        const Blocks blocks(range, state.block());
        for (std::size_t b = 0; b < blocks.count(); b++) {
            const ByteRange block = blocks[b];
            const std::size_t at = block.begin - range.begin;
            if (answer.readable(b)) {
                known.add_where(right.span().subspan(at, block.length()),
                                answer.data.span().subspan(at, block.length()), block.begin);
            } else {
                known.add_unread(block);
            }
        }
    }
}

void note_failed_vote(const Answers& answers, const Vote& vote)
{
    std::vector<Heard> heard;
    for (const Answer& answer : answers.list()) {
        if (answer.child->standing(answers.range()) == Standing::current) {
            heard.push_back({answer.child.get(), answer.error, answer.data.span()});
        }
    }
    note_vote(answers.range(), heard, vote);
}

/// Gives every child that is wrong the right content, but for what is never healed.
void rewrite(State& state, Answers& answers, const Buffer& right)
{
    std::vector<ByteRange> parts;
    Fanout fan(state.clock, answers.list().size());
    for (const Answer& answer : answers.list()) {
        if (!answer.child->device().capabilities().writable || !answer.child->online()) {
            continue;
        }
        for (const ByteRange& part : to_rewrite(state, answers, answer, right)) {
            fan.add(answer.child);
            parts.push_back(part);
        }
    }
    for (std::size_t slot = 0; slot < parts.size(); slot++) {
        auto request = std::make_shared<Request>();
        request->op = Op::write;
        request->offset = parts[slot].begin;
        request->length = parts[slot].length();
        request->from = right.span().subspan(parts[slot].begin - answers.range().begin,
                                             parts[slot].length());
        request->owner = right.memory;
        fan.send(slot, std::move(request));
    }
    fan.wait();
    for (std::size_t i = 0; i < parts.size(); i++) {
        const Slot& slot = fan.slots()[i];
        Child& child = *slot.child;
        if (slot.error == 0) {
            child.counters.rewrites++;
            child.wrote(parts[i], slot.epoch, false);
        } else {
            child.counters.rewrite_errors++;
            child.distrust(parts[i]);  // what is there now, nobody knows
            state.report_error(child, Fault::write, parts[i], slot.error);
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

/// Where stale children were needed to decide, the resync comes first.
bool needs_repair(const State& state, const Answers& answers, const Buffer& right)
{
    return state.options.rewrite_corrupted && all_current(answers) &&
           std::ranges::any_of(answers.list(), [&](const Answer& answer) {
               return !to_rewrite(state, answers, answer, right).empty();
           });
}

void report_errors(State& state, const Answers& answers)
{
    for (const Answer& answer : answers.list()) {
        if (answer.error != 0) {
            state.report_error(*answer.child, Fault::read, answers.range(), answer.error);
        }
    }
}

/// Those that are current, and hold something else than what was decided.
void report_losers(State& state, const Answers& answers, const Buffer& right)
{
    for (std::size_t i = answers.list().size(); i-- > 0;) {
        const Answer& answer = answers.list()[i];
        if (answer.error == 0 && first_difference(right.span(), answer.data.span()) &&
            answer.child->standing(answers.range()) == Standing::current) {
            state.report_mismatch(*answer.child, answers.range(), right.span(),
                                  answer.data.span());
        }
    }
}

void report_vote(State& state, const Answers& answers, const Vote& vote)
{
    report_errors(state, answers);
    for (const std::size_t i : vote.losers) {
        const Answer& loser = answers.list()[i];
        state.report_mismatch(*loser.child, answers.range(),
                              answers.list()[vote.winner].data.span(), loser.data.span());
    }
}

Ask may_ask(ByteRange range)
{
    return in_one_granule(range) ? Ask::everybody : Ask::nobody;
}

/// What the range holds: by a vote on all of it, else by blocks.  `answers` are of those
/// that are current; reports what it finds about them.
int find_content(State& state, Answers& answers, Buffer& right)
{
    if (answers.list().size() < state.threshold()) {
        return find_by_block(state, answers, EIO, right);  // too few to vote
    }
    answers.read_separately(state.clock, true);
    const Vote vote = answers.vote(state.threshold());
    blkverify_check(state, answers, vote);
    if (vote.error != 0) {
        return find_by_block(state, answers, vote.error, right);
    }
    report_vote(state, answers, vote);
    right = answers.list()[vote.winner].data;
    note(state, answers, right);
    return 0;
}

/// The same to heal: what is wrong has been reported.
int find_content_again(State& state, Answers& answers, Buffer& right)
{
    answers.read_separately(state.clock);
    const Vote vote = answers.vote(state.threshold());
    if (vote.error == 0) {
        right = answers.list()[vote.winner].data;
        return 0;
    }
    const bool decided = decide_by_block(state, answers, may_ask(answers.range()), right) == 0;
    return decided ? 0 : vote.error;
}

}  // namespace

bool worth_rewriting(int error)
{
    return error != 0 && error != abandoned_error && error != ENOTCONN && error != ESHUTDOWN;
}

int find_by_block(State& state, Answers& answers, int error, Buffer& right)
{
    Vote none;
    none.error = error;
    const bool decided = decide_by_block(state, answers, may_ask(answers.range()), right) == 0;
    report_errors(state, answers);
    if (!decided) {
        note_failed_vote(answers, none);
        return error;
    }
    report_losers(state, answers, right);
    note(state, answers, right);
    return 0;
}

int read_by_vote(State& state, Request& request)
{
    const ByteRange range = range_of(request);
    RangeLock::Guard guard = state.lock(range, LockMode::shared);
    if (!guard) {
        return EIO;
    }
    Answers answers(state.voters(range), range);
    if (answers.list().size() >= state.threshold() && answers.read_together(request.into)) {
        for (const Answer& answer : answers.list()) {
            answer.child->differences().remove(range);
        }
        return 0;
    }
    Buffer right;
    if (const int error = find_content(state, answers, right)) {
        return error;
    }
    if (needs_repair(state, answers, right)) {
        // To rewrite, we must be alone on the range.  Between letting go and
        // coming back somebody may write there, so the vote is held again:
        // healing with the old winner could undo that write on one child.
        guard.release();
        return repair(state, range, request.into);
    }
    std::memcpy(request.into.data(), right.span().data(), request.into.size());
    return 0;
}

int repair(State& state, ByteRange range, std::span<std::byte> into)
{
    const RangeLock::Guard guard = state.lock(range, LockMode::exclusive);
    if (!guard) {
        return EIO;
    }
    Answers answers(state.voters(range), range);
    Buffer right;
    if (const int error = find_content_again(state, answers, right)) {
        return error;
    }
    if (all_current(answers)) {
        look_behind_zeroes(state, answers, right);
        note(state, answers, right);
        rewrite(state, answers, right);
    }
    if (!into.empty()) {
        std::memcpy(into.data(), right.span().data(), into.size());
    }
    return 0;
}

}  // namespace resilience::quorum
