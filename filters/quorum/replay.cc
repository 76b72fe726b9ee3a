// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/replay.h"

#include <algorithm>
#include <utility>

#include "common/device/pieces.h"

namespace resilience::quorum {

namespace {

/// What is sent at once: enough that the way there and back does not count.
constexpr std::size_t most_requests = 256;
constexpr std::uint64_t most_at_once = 4 << 20;  // bytes of data
/// A part with data is at most so large.
constexpr std::uint64_t largest_part = 256 << 10;
constexpr std::chrono::seconds retry_after{1};

std::shared_ptr<Request> request_for(const UnflushedData::Piece& piece)
{
    auto request = std::make_shared<Request>();
    request->offset = piece.range.begin;
    request->length = piece.range.length();
    if (piece.data.memory) {
        request->op = Op::write;
        request->from = piece.data.span().subspan(piece.offset, piece.range.length());
        request->owner = piece.data.memory;
    } else {
        request->op = Op::zero;
        request->flags.may_trim = true;
    }
    return request;
}

}  // namespace

/// Ranges that nobody else is at, and what is kept of them.  One of them may be waited
/// for, so that it comes to its turn where clients write all the time; not more, or we
/// would keep clients out of one range while we wait for another.
std::vector<Replay::Part> Replay::next_parts(const Child& child, std::uint64_t most_bytes)
{
    std::vector<Part> parts;
    std::size_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t at = 0;
    while (requests < most_requests && bytes < most_bytes) {
        auto range = child.replayable().next_marked(at, largest_zero);
        if (range && state_.unflushed.has_data(*range)) {
            range = child.replayable().next_marked(at, std::min(largest_part, most_bytes));
        }
        if (!range) {
            break;
        }
        at = range->end;
        RangeLock::Guard guard = parts.empty() ? state_.lock(*range, LockMode::exclusive)
                                               : state_.try_lock(*range, LockMode::exclusive);
        if (!guard) {
            continue;
        }
        Part part{*range, std::move(guard), state_.unflushed.pieces(*range)};
        for (const UnflushedData::Piece& piece : part.pieces) {
            part.bytes += piece.data.memory ? piece.range.length() : 0;
        }
        requests += part.pieces.size();
        bytes += part.bytes;
        parts.push_back(std::move(part));
    }
    return parts;
}

void Replay::write(const ChildPtr& child, std::vector<Part>& parts)
{
    std::vector<std::pair<Part*, const UnflushedData::Piece*>> sent;
    for (Part& part : parts) {
        for (const UnflushedData::Piece& piece : part.pieces) {
            sent.emplace_back(&part, &piece);
        }
    }
    Fanout fan(state_.clock, sent.size());
    for (std::size_t i = 0; i < sent.size(); i++) {
        fan.add(child);
    }
    for (std::size_t i = 0; i < sent.size(); i++) {
        fan.send(i, request_for(*sent[i].second));
    }
    fan.wait();
    for (std::size_t i = 0; i < sent.size(); i++) {
        const auto [part, piece] = sent[i];
        const int error = fan.slots()[i].error;
        if (error == 0) {
            child->counters.resynced_bytes += piece->range.length();
            child->differences().remove(piece->range);
        } else if (!std::exchange(part->failed, true)) {
            state_.report_error(*child, Fault::write, piece->range, error);
        }
    }
}

std::optional<std::uint64_t> Replay::step(const ChildPtr& child, std::uint64_t most_bytes)
{
    TimePoint& not_before = not_before_[child->name()];
    if (state_.clock.now() < not_before) {
        return std::nullopt;
    }
    const Child::Replaying replaying = child->replay_begins();
    std::vector<Part> parts = next_parts(*child, std::min(most_bytes, most_at_once));
    if (parts.empty() || !child->online()) {
        return std::nullopt;
    }
    write(child, parts);
    std::uint64_t bytes = 0;
    bool failed = false;
    for (const Part& part : parts) {
        bytes += part.bytes;
        if (part.failed) {
            failed = true;
        } else {
            child->replayed(part.range, replaying);
        }
    }
    if (failed) {
        not_before = state_.clock.now() + retry_after;
    }
    return bytes;
}

}  // namespace resilience::quorum
