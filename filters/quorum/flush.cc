// SPDX-License-Identifier: BSD-3-Clause

// A flush promises that everything acknowledged before it is durable on at
// least `threshold` children.
//
// It is not enough to count the children that flushed: a write may have been
// acknowledged by children 0 and 1, and the flush by 0 and 2.  So a child
// counts, for each 64 KiB, only if it is not stale there.

#include <bit>
#include <cerrno>
#include <utility>
#include <vector>

#include "common/core/vote.h"
#include "filters/quorum/write.h"

namespace resilience::quorum {

namespace {

struct FlushingChild {
    ChildPtr child;
    UnflushedMap::Taken taken;
};

/// Whether at most `spare` of the children are stale in any one granule.
bool covers_everything(const Children& flushed, std::size_t spare)
{
    Children stale;
    for (const ChildPtr& child : flushed) {
        if (child->stale().any()) {
            stale.push_back(child);
        }
    }
    if (stale.size() <= spare) {
        return true;
    }
    for (std::size_t index = 0; index < stale.front()->stale().words(); index++) {
        // Usually all words are 0.  Else count bit by bit.
        std::uint64_t any = 0;
        for (const ChildPtr& child : stale) {
            any |= child->stale().word(index);
        }
        for (; any != 0; any &= any - 1) {
            const std::uint64_t bit = any & -any;
            std::size_t count = 0;
            for (const ChildPtr& child : stale) {
                count += (child->stale().word(index) & bit) != 0;
            }
            if (count > spare) {
                return false;
            }
        }
    }
    return true;
}

std::vector<FlushingChild> begin(const Children& children)
{
    std::vector<FlushingChild> flushing;
    flushing.reserve(children.size());
    for (const ChildPtr& child : children) {
        child->counters.flushes.fetch_add(1, std::memory_order_relaxed);
        flushing.push_back({child, child->flush_begins()});
    }
    return flushing;
}

void send(Fanout& fan, const std::vector<FlushingChild>& flushing)
{
    Request request;
    request.op = Op::flush;
    for (const FlushingChild& each : flushing) {
        fan.add(each.child);
    }
    for (const bool immediate : {false, true}) {
        for (std::size_t i = 0; i < flushing.size(); i++) {
            if (flushing[i].child->device().immediate(Op::flush) != immediate) {
                continue;
            }
            if (!immediate || !fan.try_now(i, request)) {
                fan.send(i, std::make_shared<Request>(request));
            }
        }
    }
    fan.wait();
}

/// A child whose flush failed has not flushed.  If the flush succeeded as a
/// whole, what it was to flush is on the others, and it is no longer believed
/// there; unless it was merely not answering: then nothing says that it lost
/// anything.
void note_failure(const FlushingChild& failed, const Slot& slot, bool flushed_as_a_whole)
{
    failed.child->flush_failed(failed.taken);
    if (slot.epoch != failed.child->epoch() || (flushed_as_a_whole && !slot.abandoned)) {
        failed.child->flush_lost(failed.taken);
    }
}

}  // namespace

int flush(State& state)
{
    const RangeLock::Guard guard = state.lock_lane();
    if (!guard) {
        return EIO;
    }
    const Children children = state.reachable();
    if (children.size() < state.threshold()) {
        return EIO;
    }
    const std::vector<FlushingChild> flushing = begin(children);
    Fanout fan(state.clock, flushing.size());
    send(fan, flushing);

    std::vector<int> errors;
    Children flushed;
    for (const Slot& slot : fan.slots()) {
        errors.push_back(slot.error);
        if (slot.error == 0) {
            flushed.push_back(slot.child);
        } else {
            state.report_error(*slot.child, Fault::flush, {}, slot.error);
        }
    }
    const bool success = flushed.size() >= state.threshold() &&
                         covers_everything(flushed, flushed.size() - state.threshold());
    for (std::size_t i = 0; i < flushing.size(); i++) {
        if (fan.slots()[i].error != 0) {
            note_failure(flushing[i], fan.slots()[i], success);
        }
    }
    return success ? 0 : vote_on_errors(errors);
}

}  // namespace resilience::quorum
