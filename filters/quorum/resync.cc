// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/resync.h"

#include <algorithm>
#include <utility>

#include "common/core/compare.h"
#include "common/core/vote.h"
#include "common/device/pieces.h"
#include "filters/quorum/blocks.h"
#include "filters/quorum/extents.h"
#include "filters/quorum/fanout.h"

namespace resilience::quorum {

namespace {

constexpr std::uint64_t largest_copy = 1 << 20;
/// With a rate limit, a piece is what may be copied in this part of a second: else
/// a low rate would come as a burst and a long pause.
constexpr std::uint64_t pieces_per_second = 10;
/// After a failure, or when all that is left is blocked.
constexpr std::chrono::seconds retry_after{1};

bool all_zero(const ExtentList& extents)
{
    return std::ranges::all_of(extents, &Extent::zero);
}

/// Which granules of `range`, which begins with one, are zero from end to end.
std::vector<bool> zero_granules(const ExtentList& extents, ByteRange range)
{
    std::vector<bool> zero((range.length() + stale_granularity - 1) / stale_granularity, true);
    std::uint64_t at = 0;
    for (const Extent& extent : extents) {
        const std::uint64_t end = at + extent.length;
        for (std::uint64_t i = at / stale_granularity; !extent.zero && i * stale_granularity < end;
             i++) {
            zero[i] = false;
        }
        at = end;
    }
    return zero;
}

}  // namespace

ResyncStatus resync_status(const Child& child)
{
    ResyncStatus status;
    status.child = child.node_name();
    status.remaining = child.stale().marked_bytes();
    status.total = std::max(child.resync_total.load(), status.remaining);
    if (child.foreign()) {
        status.state = "foreign";
        return status;
    }
    // Where nothing is missing but the child, nobody else would tell.  Then what a
    // person has said: it holds for what will be missed, too.
    if (status.total == 0 && !child.online()) {
        status.state = "waiting";
    } else if (child.resync_mode == ResyncMode::cancelled) {
        status.state = "cancelled";
    } else if (child.resync_mode == ResyncMode::paused) {
        status.state = "paused";
    } else if (status.total == 0) {
        status.state = child.differences().any() ? "differs" : "idle";
    } else if (!child.online()) {
        status.state = "waiting";
    } else {
        status.state = child.resync_blocked ? "blocked" : "running";
    }
    return status;
}

bool Resync::step()
{
    const Children children = state_.snapshot();
    // First, since others may be copied from who is believed again by that.
    if (replay_to_all(children)) {
        return true;
    }
    if (state_.clock.now() < next_copy_) {
        return false;
    }
    bool again = false;
    for (const ChildPtr& child : children) {
        again = step_child(child) || again;
    }
    return again;
}

bool Resync::wanted(const Child& child) const
{
    return child.online() && child.resync_mode == ResyncMode::automatic &&
           (child.resync_total != 0 || child.stale().any());
}

void Resync::begin(Child& child)
{
    if (child.resync_total == 0) {
        progress_[child.name()] = {};
        child.resync_total = child.stale().marked_bytes();
        state_.observer.resync_started(child, child.resync_total);
    }
}

/// The rate limit is for the sake of clients: not where they wait for just this.
bool Resync::replay_to_all(const Children& children)
{
    const auto current =
        std::ranges::count_if(children, [](const ChildPtr& child) { return child->current(); });
    const bool urgent = static_cast<std::size_t>(current) < state_.threshold();
    bool again = false;
    for (const ChildPtr& child : children) {
        if (!wanted(*child) || !child->replayable().any()) {
            continue;
        }
        begin(*child);
        if (!urgent && state_.clock.now() < next_copy_) {
            continue;
        }
        const auto bytes = replay_.step(child, urgent ? child->replayable().size() : largest_piece());
        again = again || bytes;
        if (bytes && !urgent) {
            pay_for(*bytes);
        }
    }
    return again;
}

bool Resync::step_child(const ChildPtr& child)
{
    if (!wanted(*child)) {
        return false;
    }
    Progress& progress = progress_[child->name()];
    if (state_.clock.now() < progress.not_before) {
        return false;
    }
    begin(*child);
    const std::optional<Piece> piece = next_piece(*child, progress);
    if (!piece) {
        return finish(child, progress);
    }
    const ByteRange range = piece->range;
    const Copied copied = copy(child, *piece);
    if (copied == Copied::no_hole) {
        progress.holes.assign(progress.holes.size(), false);
        return true;
    }
    if (copied == Copied::failed) {
        progress.not_before = state_.clock.now() + retry_after;
    }
    if (copied != Copied::done && range.length() > stale_granularity) {
        progress.careful_until = range.end;
        return copied == Copied::blocked;
    }
    if (copied == Copied::blocked) {
        progress.anything_blocked = true;
        child->blocked_at = range.begin;
        if (!child->resync_blocked.exchange(true)) {
            state_.observer.resync_blocked(*child, range);
        }
    }
    // Also after a failure: one bad sector must not keep the rest stale.
    progress.cursor = range.end;
    if (!piece->hole || !child->device().capabilities().zero) {
        pay_for(range.length());
    }
    return copied != Copied::failed;
}

/// From the cursor on: a run of holes, or of what has to be read.
std::optional<Resync::Piece> Resync::next_piece(const Child& child, Progress& progress)
{
    // After a large piece could not be copied, its granules are tried one by one.
    const bool careful = progress.cursor < progress.careful_until;
    const auto marked = child.stale().next_marked(
        progress.cursor, careful ? stale_granularity : largest_hole(child));
    if (!marked || careful) {
        return marked ? std::optional(Piece{*marked, false}) : std::nullopt;
    }
    if (marked->begin < progress.looked.begin || marked->begin >= progress.looked.end) {
        look_ahead(progress, *marked);
    }
    const auto granule_at = [&](std::uint64_t offset) {
        return (offset - progress.looked.begin) / stale_granularity;
    };
    const bool hole = progress.holes[granule_at(marked->begin)];
    const std::uint64_t most = hole ? largest_hole(child) : largest_piece();
    const std::uint64_t limit =
        std::min({marked->end, progress.looked.end, marked->begin + most});
    std::uint64_t end = marked->begin;
    while (end < limit && progress.holes[granule_at(end)] == hole) {
        end = std::min(end + stale_granularity, limit);
    }
    return Piece{{marked->begin, end}, hole};
}

void Resync::look_ahead(Progress& progress, ByteRange range)
{
    const RangeLock::Guard guard = state_.lock_lane();  // keeps changes of membership out
    const ExtentList extents =
        guard ? agreed_extents(state_, range) : ExtentList{{range.length(), false, false}};
    progress.holes = zero_granules(extents, range);
    progress.looked = range;
}

/// The end of a pass over the child: start again if there is more, else make
/// the copy durable and say that it is complete.
bool Resync::finish(const ChildPtr& child, Progress& progress)
{
    progress.cursor = progress.careful_until = 0;
    progress.looked = {};
    if (!std::exchange(progress.anything_blocked, false)) {
        child->resync_blocked = false;
    } else {
        progress.not_before = state_.clock.now() + retry_after;
        return false;
    }
    if (child->stale().any()) {
        return true;  // something was missed again behind the cursor
    }
    const Child::Flushing flushing = child->flush_begins();
    Fanout fan(state_.clock, 1);
    fan.add(child);
    auto request = std::make_shared<Request>();
    request->op = Op::flush;
    fan.send(0, std::move(request));
    fan.wait();
    const Slot& slot = fan.slots().front();
    if (const int error = slot.error) {
        child->flush_failed(flushing, !slot.abandoned);
        state_.report_error(*child, Fault::flush, {}, error);
        progress.not_before = state_.clock.now() + retry_after;
        return false;
    }
    if (!child->flush_succeeded(flushing)) {
        return true;  // the link was lost meanwhile, and more is stale again
    }
    state_.observer.resync_completed(*child, child->resync_total.exchange(0));
    return false;
}

TimePoint Resync::next_step() const
{
    return next_copy_;
}

Resync::Copied Resync::copy(const ChildPtr& child, const Piece& piece)
{
    const RangeLock::Guard guard = state_.lock(piece.range, LockMode::exclusive);
    if (!guard || !child->online()) {
        return Copied::failed;
    }
    if (piece.hole) {
        const bool agreed = all_zero(agreed_extents(state_, piece.range));
        return agreed ? write(child, zero_request(piece.range)) : Copied::no_hole;
    }
    const std::optional<Buffer> content = right_content(piece.range);
    return content ? write(child, copy_request(*content, piece.range)) : Copied::blocked;
}

/// To the child alone; the caller holds the range.
Resync::Copied Resync::write(const ChildPtr& child, std::shared_ptr<Request> request)
{
    const ByteRange range = range_of(*request);
    Fanout fan(state_.clock, 1);
    fan.add(child);
    fan.send(0, std::move(request));
    fan.wait();
    const Slot& slot = fan.slots().front();
    if (slot.error != 0) {
        state_.report_error(*child, Fault::write, range, slot.error);
        return Copied::failed;
    }
    child->wrote(range, slot.epoch, false);
    child->counters.resynced_bytes += range.length();
    return Copied::done;
}

/// What the range must hold, or nullopt when too few children agree on it.
std::optional<Buffer> Resync::right_content(ByteRange range)
{
    Answers answers(state_.voters(range), range);
    answers.read_separately(state_.clock);
    if (const Vote vote = answers.vote(state_.threshold()); vote.error == 0) {
        return answers.list()[vote.winner].data;
    }
    Buffer content;
    if (decide_by_block(state_, answers, Ask::everybody, content) != 0) {
        return std::nullopt;
    }
    return content;
}

std::uint64_t Resync::largest_piece() const
{
    const std::uint64_t share = state_.options.resync_rate / pieces_per_second;
    if (state_.options.resync_rate == 0 || share >= largest_copy) {
        return largest_copy;
    }
    return std::max(share - share % stale_granularity, stale_granularity);
}

/// Where the child writes zeroes byte by byte they are copied like all else.
std::uint64_t Resync::largest_hole(const Child& child) const
{
    return child.device().capabilities().zero ? largest_zero : largest_piece();
}

void Resync::pay_for(std::uint64_t bytes)
{
    if (state_.options.resync_rate != 0) {
        const double seconds = static_cast<double>(bytes) / state_.options.resync_rate;
        next_copy_ = std::max(next_copy_, state_.clock.now()) +
                     std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    }
}

}  // namespace resilience::quorum
