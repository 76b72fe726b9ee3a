// SPDX-License-Identifier: BSD-3-Clause

// Writes go to all children in parallel.
//
// Three rules decide what is remembered (docs/consistency.md argues them):
//
//   * A write that was acknowledged, and that a child missed (it failed there,
//     was abandoned, or was not sent because the child is away), makes the
//     range stale on that child.
//   * A write that failed as a whole makes nothing stale.  Its content is
//     undefined by the protocol, but its neighbours in the same 64 KiB are not:
//     marking would leave fewer than `threshold` believable copies of them, and
//     turn one failed sector into lost data.
//     But what is kept for a child that may forget it (unflushed_data.h) is written again
//     to those whose link was lost meanwhile, or before: all are to have the same.
//   * A write that cannot succeed, because too few children are there, is not
//     sent to any.

#include "filters/quorum/write.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "common/core/vote.h"
#include "common/device/pieces.h"
#include "filters/quorum/memory_keeper.h"
#include "filters/quorum/read.h"

namespace resilience::quorum {

namespace {

/// Makes copies of a request that own their memory; the data are copied once,
/// and only if somebody needs them.
class OwnedRequests {
public:
    explicit OwnedRequests(const Request& request) : request_(request) {}

    std::shared_ptr<Request> make()
    {
        auto owned = std::make_shared<Request>(request_);
        if (data().memory) {
            owned->from = data_.span();
            owned->owner = data_.memory;
        }
        return owned;
    }

    /// Without memory unless it is a write.
    const Buffer& data()
    {
        if (request_.op == Op::write && !data_.memory) {
            data_ = take_buffer(request_.length);
            std::memcpy(data_.span().data(), request_.from.data(), request_.length);
        }
        return data_;
    }

private:
    const Request& request_;
    Buffer data_;
};

/// Sends to all, and waits.
void send_to_all(Fanout& fan, const Children& children, Request& request, OwnedRequests& owned)
{
    fan.measure();
    for (const ChildPtr& child : children) {
        child->counters.writes.fetch_add(1, std::memory_order_relaxed);
        fan.add(child);
    }
    fan.slowest_first(request.op, [&](std::size_t i) {
        if (!fan.try_now(i, request)) {
            fan.send(i, owned.make());
        }
    });
    fan.wait();
}

/// A fast zero that some children refused: those write the zeroes after all,
/// or the children would differ.  If all refused, nothing has changed, and the
/// client may hear so.  Returns whether that is the case.
bool settle_fast_zero(State& state, std::vector<Slot>& slots, const Request& request)
{
    const auto refused = [](const Slot& slot) { return slot.error == ENOTSUP; };
    if (std::all_of(slots.begin(), slots.end(), refused)) {
        return true;
    }
    Request slow = request;
    slow.flags.fast_zero = false;
    Fanout fan(state.clock, slots.size());
    std::vector<std::size_t> again;
    for (std::size_t i = 0; i < slots.size(); i++) {
        if (refused(slots[i])) {
            again.push_back(i);
            fan.add(slots[i].child);
        }
    }
    for (std::size_t i = 0; i < again.size(); i++) {
        fan.send(i, std::make_shared<Request>(slow));
    }
    fan.wait();
    for (std::size_t i = 0; i < again.size(); i++) {
        slots[again[i]] = fan.slots()[i];
    }
    return false;
}

/// Keeps the change for children that may forget it (unflushed_data.h); if that is not
/// possible they have to be copied to.  Returns whether keep() is to follow, when it
/// has been noted what each child did: a flush in between takes the notes, and leaves
/// what is kept.
bool may_keep(State& state, const Request& request)
{
    return state.keeps_unflushed() &&
           state.unflushed.admit(range_of(request), request.op == Op::write);
}

void keep(State& state, const Request& request, OwnedRequests& owned)
{
    const bool before = state.unflushed.wants_flush();
    state.unflushed.put(range_of(request), owned.data());
    if (!before && state.unflushed.wants_flush()) {
        state.wake_worker();
    }
}

/// Takes note of what each child did; returns 0 or the voted errno.
int conclude(State& state, const Request& request, const std::vector<Slot>& slots,
             const Children& absent, bool kept)
{
    const ByteRange range = range_of(request);
    std::vector<int> errors;
    std::size_t successes = 0;
    for (const Slot& slot : slots) {
        errors.push_back(slot.error);
        successes += slot.error == 0;
        if (slot.error != 0) {
            state.report_error(*slot.child, Fault::write, range, slot.error);
        }
    }
    const bool acknowledged = successes >= state.threshold();
    for (const Slot& slot : slots) {
        if (slot.error == 0) {
            slot.child->wrote(range, slot.epoch, request.flags.fua, kept);
            continue;
        }
        // A part of it may be there.  If that is read, and believed (the write
        // failed as a whole, so either content is right), then it must not be
        // forgotten unnoticed.
        slot.child->may_have_written(range, slot.epoch, kept);
        // Its link may have been lost, and that noted, before it was sent: then it is as
        // those that are away, below.
        if (acknowledged || (kept && slot.error == ENOTCONN)) {
            slot.child->missed(range, kept);
        } else if (!kept) {
            slot.child->lost_kept(range);
        }
    }
    if (acknowledged) {
        for (const ChildPtr& child : absent) {
            child->missed(range, kept);
        }
        if (record_missing(state, {}) == 0) {
            return 0;
        }
        state.report_failure(range);
        return EIO;
    }
    for (const ChildPtr& child : absent) {
        if (kept) {  // others may have it, or get it by a replay: then it is to get it, too
            child->missed(range, true);
        } else {     // what was kept there has made room, and it may lack that
            child->lost_kept(range);
        }
    }
    state.report_failure(range);
    return vote_on_errors(errors);
}

/// One request of a size that a child can do within its timeout.
int modify_piece(State& state, FastestReader& fastest, Request& request)
{
    const RangeLock::Guard guard = state.lock(range_of(request), LockMode::exclusive);
    if (!guard) {
        return EIO;
    }
    fastest.forget(range_of(request));
    Children absent;
    const Children children = state.reachable(&absent);
    if (children.size() < state.threshold()) {
        state.report_failure(range_of(request));
        return EIO;
    }
    // Before any child sees it; see Memory.
    if (state.memory != nullptr &&
        (record_foreign(state) != 0 || state.memory->intend(range_of(request)) != 0)) {
        state.report_failure(range_of(request));
        return EIO;
    }
    Fanout fan(state.clock, children.size());
    OwnedRequests owned(request);
    send_to_all(fan, children, request, owned);
    if (request.flags.fast_zero && settle_fast_zero(state, fan.slots(), request)) {
        return ENOTSUP;
    }
    const bool kept = may_keep(state, request);
    const int error = conclude(state, request, fan.slots(), absent, kept);
    if (kept) {
        keep(state, request, owned);
    }
    return error;
}

}  // namespace

int modify(State& state, FastestReader& fastest, const Request& original)
{
    // Each piece holds its range alone: all of 4 GiB could take longer than
    // anybody else may wait for a range.
    return in_pieces(original,
                     [&](Request& piece) { return modify_piece(state, fastest, piece); });
}

}  // namespace resilience::quorum
