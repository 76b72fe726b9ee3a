// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/blocks.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/core/compare.h"
#include "common/core/vote.h"
#include "filters/quorum/read.h"

namespace resilience::quorum {

namespace {

ByteRange granule_of(std::uint64_t offset)
{
    const std::uint64_t begin = offset - offset % stale_granularity;
    return {begin, begin + stale_granularity};
}

std::span<std::byte> part_of(const Answers& answers, const Buffer& buffer, ByteRange part)
{
    return buffer.span().subspan(part.begin - answers.range().begin, part.length());
}

/// For all the rounds of reading blocks: a slow child must not hold the range for as many
/// times its timeout.
TimePoint deadline_of(const State& state)
{
    return state.clock.now() + state.options.timeout;
}

/// Votes on each block.  True: all of them are in `content`.
bool elect_blocks(State& state, Answers& answers, Buffer& content)
{
    const Blocks blocks(answers.range(), state.block());
    content = take_buffer(answers.range().length());
    std::vector<Ballot> ballots(answers.list().size());
    for (std::size_t b = 0; b < blocks.count(); b++) {
        const ByteRange part = blocks[b];
        for (std::size_t i = 0; i < ballots.size(); i++) {
            const Answer& answer = answers.list()[i];
            ballots[i].error = answer.readable(b) ? 0 : answer.error;
            ballots[i].data = answer.readable(b) ? part_of(answers, answer.data, part)
                                                 : std::span<std::byte>();
            // Asked after the answers have come: what was forgotten meanwhile is known.
            ballots[i].standing = answer.child->standing(granule_of(part.begin));
        }
        const Vote vote =
            elect_among_all(ballots, state.threshold(), state.children().size());
        if (vote.error != 0) {
            return false;
        }
        const std::span<const std::byte> winner = ballots[vote.winner].data;
        std::memcpy(part_of(answers, content, part).data(), winner.data(), winner.size());
    }
    return true;
}

}  // namespace

bool in_one_granule(ByteRange range)
{
    return range.begin / stale_granularity == (range.end - 1) / stale_granularity;
}

bool all_current(const Answers& answers)
{
    return std::ranges::all_of(answers.list(), [&](const Answer& answer) {
        return answer.child->standing(answers.range()) == Standing::current;
    });
}

int decide_by_block(State& state, Answers& answers, Ask ask, Buffer& content)
{
    const bool enough = answers.list().size() >= state.threshold();
    if (enough && elect_blocks(state, answers, content)) {
        return 0;
    }
    if (ask == Ask::nobody) {
        return EIO;
    }
    answers.add(state.reachable());
    answers.read_separately(state.clock);
    if (in_one_granule(answers.range())) {
        answers.read_blocks(state.clock, state.block(), answers.range(), deadline_of(state));
    }
    return elect_blocks(state, answers, content) ? 0 : EIO;
}

std::vector<ByteRange> to_rewrite(const State& state, const Answers& answers,
                                  const Answer& answer, const Buffer& right)
{
    if (answer.error != 0 ? !worth_rewriting(answer.error)
                          : !first_difference(right.span(), answer.data.span())) {
        return {};
    }
    std::vector<ByteRange> parts;
    ByteRange run{};
    bool wrong = false;
    const auto end_run = [&] {
        if (std::exchange(wrong, false)) {
            parts.push_back(run);
        }
        run = {};
    };
    const Blocks blocks(answers.range(), state.block());
    for (std::size_t b = 0; b < blocks.count(); b++) {
        const ByteRange block = blocks[b];
        const auto wanted = part_of(answers, right, block);
        if (answer.readable(b)) {
            const auto held = part_of(answers, answer.data, block);
            if (count_zeroed_sectors(wanted, held, block.begin) > 0) {
                end_run();
                continue;
            }
            wrong = wrong || first_difference(wanted, held).has_value();
        } else {
            wrong = true;
        }
        run = {run.empty() ? block.begin : run.begin, block.end};
    }
    end_run();
    return parts;
}

void look_behind_zeroes(State& state, Answers& answers, const Buffer& right)
{
    const ByteRange range = answers.range();
    if (std::ranges::none_of(answers.list(), [](const Answer& answer) {
            return worth_rewriting(answer.error);
        })) {
        return;
    }
    const TimePoint deadline = deadline_of(state);
    for (std::uint64_t at = range.begin; at < range.end; at = granule_of(at).end) {
        const ByteRange part{at, std::min(range.end, granule_of(at).end)};
        const Blocks sectors(part, sector_size);
        for (std::size_t s = 0; s < sectors.count(); s++) {
            if (is_all_zero(part_of(answers, right, sectors[s]))) {
                answers.read_blocks(state.clock, state.block(), part, deadline);
                break;
            }
        }
    }
}

}  // namespace resilience::quorum
