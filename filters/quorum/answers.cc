// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/answers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "filters/quorum/read.h"

namespace resilience::quorum {

namespace {

/// Three of these, and what the kernel touches meanwhile, stay in a usual
/// second-level cache.
constexpr std::size_t piece_size = 64 << 10;

std::span<std::byte> scratch(std::size_t length)
{
    alignas(4096) thread_local std::array<std::byte, piece_size> memory;
    return std::span(memory).first(length);
}

}  // namespace

Answers::Answers(Children voters, ByteRange range) : range_(range)
{
    answers_.reserve(voters.size());
    for (ChildPtr& child : voters) {
        ask(std::move(child));
    }
}

Answers::Answers(const std::vector<Slot>& slots, ByteRange range) : range_(range)
{
    for (const Slot& slot : slots) {
        Answer answer{slot.child, slot.error, 0, {}};
        if (slot.ok()) {
            const Request& request = *slot.request;
            answer.data = {std::shared_ptr<std::byte>(request.owner, request.into.data()),
                           request.into.size()};
            answer.filled = range_.length();
        }
        answers_.push_back(std::move(answer));
    }
}

void Answers::ask(ChildPtr child)
{
    child->counters.reads.fetch_add(1, std::memory_order_relaxed);
    answers_.push_back({std::move(child), 0, 0, {}});
}

void Answers::add(const Children& more)
{
    for (const ChildPtr& child : more) {
        const auto known = [&](const Answer& answer) { return answer.child == child; };
        if (std::ranges::none_of(answers_, known)) {
            ask(child);
        }
    }
}

Request Answers::read_request(std::size_t at, std::span<std::byte> into) const
{
    Request request;
    request.op = Op::read;
    request.offset = range_.begin + at;
    request.length = into.size();
    request.into = into;
    return request;
}

bool Answers::read_together(std::span<std::byte> into)
{
    const bool all_immediate =
        std::all_of(answers_.begin(), answers_.end(),
                    [](const Answer& answer) { return answer.child->device().immediate(Op::read); });
    if (!all_immediate) {
        return false;
    }
    for (std::size_t at = 0; at < into.size(); at += piece_size) {
        if (!read_piece(into, at, std::min(piece_size, into.size() - at))) {
            return false;
        }
    }
    return true;
}

/// Reads one piece from every voter.  On false, `filled` tells how far each
/// voter's own answer goes, and those that have any have it in their buffer.
bool Answers::read_piece(std::span<std::byte> into, std::size_t at, std::size_t length)
{
    const std::span<std::byte> first = into.subspan(at, length);
    for (std::size_t i = 0; i < answers_.size(); i++) {
        Answer& answer = answers_[i];
        const std::span<std::byte> target = i == 0 ? first : scratch(length);
        Request request = read_request(at, target);
        const std::optional<int> result = answer.child->device().execute_now(request);
        const bool equal = result == 0 && (i == 0 || std::memcmp(target.data(), first.data(),
                                                                 length) == 0);
        if (equal) {
            answer.filled = at + length;
            continue;
        }
        keep_prefix(into);
        if (result && *result != 0) {
            answer.error = *result;
        } else if (result) {
            // keep_prefix() gave it what it had agreed to; this is where it
            // differs.
            if (answer.data.size == 0) {
                answer.data = take_buffer(into.size());
            }
            std::memcpy(answer.data.span().data() + at, target.data(), length);
            answer.filled = at + length;
        }
        return false;
    }
    return true;
}

/// Gives each voter a buffer of its own with what it has answered so far,
/// which is what everybody has agreed on.
void Answers::keep_prefix(std::span<const std::byte> agreed)
{
    for (Answer& answer : answers_) {
        if (answer.filled > 0) {
            answer.data = take_buffer(agreed.size());
            std::memcpy(answer.data.span().data(), agreed.data(), answer.filled);
        }
    }
}

void Answers::read_separately(Clock& clock, bool measure)
{
    Fanout fan(clock, answers_.size());
    if (measure) {
        fan.measure();
    }
    std::vector<std::size_t> asked;
    for (std::size_t i = 0; i < answers_.size(); i++) {
        Answer& answer = answers_[i];
        if (answer.error != 0 || answer.filled == range_.length()) {
            continue;
        }
        if (answer.data.size == 0) {
            answer.data = take_buffer(range_.length());
        }
        fan.add(answer.child);
        asked.push_back(i);
    }
    const auto request_for = [&](const Answer& answer) {
        Request request = read_request(answer.filled, answer.data.span().subspan(answer.filled));
        request.owner = answer.data.memory;
        return std::make_shared<Request>(std::move(request));
    };
    fan.slowest_first(Op::read, [&](std::size_t slot) {
        auto request = request_for(answers_[asked[slot]]);
        if (!fan.try_now(slot, *request)) {
            fan.send(slot, std::move(request));
        }
    });
    fan.wait();
    for (std::size_t slot = 0; slot < asked.size(); slot++) {
        Answer& answer = answers_[asked[slot]];
        answer.error = fan.slots()[slot].error;
        answer.filled = answer.error == 0 ? range_.length() : 0;
    }
}

void Answers::read_blocks(Clock& clock, std::uint64_t block, ByteRange part, TimePoint deadline)
{
    const std::size_t first = part.begin / block - range_.begin / block;
    const std::size_t end = first + Blocks(part, block).count();
    std::vector<Portion> portions;
    for (std::size_t i = 0; i < answers_.size(); i++) {
        Answer& answer = answers_[i];
        if (worth_rewriting(answer.error) && answer.child->online()) {
            if (answer.unreadable.empty()) {
                answer.unreadable.assign(Blocks(range_, block).count(), true);
                answer.data = take_buffer(range_.length());
            }
            portions.push_back({i, first, end});
        }
    }
    while (!portions.empty() && clock.now() < deadline) {
        portions = read_portions(clock, block, portions);
    }
    for (const Portion& portion : portions) {
        answers_[portion.answer].unreadable.clear();
        answers_[portion.answer].error = abandoned_error;
    }
}

/// Returns the halves of those that could not be read.
std::vector<Answers::Portion> Answers::read_portions(Clock& clock, std::uint64_t block,
                                                     const std::vector<Portion>& portions)
{
    const Blocks blocks(range_, block);
    Fanout fan(clock, portions.size());
    for (const Portion& portion : portions) {
        fan.add(answers_[portion.answer].child);
    }
    for (std::size_t slot = 0; slot < portions.size(); slot++) {
        const Portion& portion = portions[slot];
        const Answer& answer = answers_[portion.answer];
        const std::size_t at = blocks[portion.first].begin - range_.begin;
        const std::size_t length = blocks[portion.end - 1].end - range_.begin - at;
        auto request = std::make_shared<Request>(
            read_request(at, answer.data.span().subspan(at, length)));
        request->owner = answer.data.memory;
        fan.send(slot, std::move(request));
    }
    fan.wait();
    std::vector<Portion> halves;
    for (std::size_t slot = 0; slot < portions.size(); slot++) {
        const Portion& portion = portions[slot];
        Answer& answer = answers_[portion.answer];
        const int error = fan.slots()[slot].error;
        if (answer.unreadable.empty()) {
            continue;  // given up
        }
        if (error == 0) {
            std::fill(answer.unreadable.begin() + static_cast<std::ptrdiff_t>(portion.first),
                      answer.unreadable.begin() + static_cast<std::ptrdiff_t>(portion.end), false);
        } else if (!worth_rewriting(error)) {
            // It may still be at it, so its memory is not looked at any more.
            answer.unreadable.clear();
            answer.error = error;
        } else if (portion.end - portion.first > 1) {
            const std::size_t middle = portion.first + (portion.end - portion.first) / 2;
            halves.push_back({portion.answer, portion.first, middle});
            halves.push_back({portion.answer, middle, portion.end});
        }
    }
    std::erase_if(halves, [&](const Portion& half) {
        return answers_[half.answer].unreadable.empty();
    });
    return halves;
}

Vote Answers::vote(std::size_t threshold) const
{
    std::vector<Ballot> ballots;
    ballots.reserve(answers_.size());
    for (const Answer& answer : answers_) {
        ballots.push_back({answer.error, answer.data.span()});
    }
    return count_votes(ballots, threshold);
}

}  // namespace resilience::quorum
