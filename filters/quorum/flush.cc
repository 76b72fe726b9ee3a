// SPDX-License-Identifier: BSD-3-Clause

// A flush promises that everything acknowledged before it is durable on at
// least `threshold` children.
//
// It is not enough to count the children that flushed: a write may have been
// acknowledged by children 0 and 1, and the flush by 0 and 2.  So a child
// counts, for each 64 KiB, only if it is not stale there.
//
// A flush that succeeded also ends what is kept of the writes before it
// (unflushed_data.h): whoever has them durable needs them no more, and whoever has not
// can be copied to from those.

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "common/core/vote.h"
#include "filters/quorum/memory_keeper.h"
#include "filters/quorum/write.h"

namespace resilience::quorum {

namespace {

/// A child's part of a flush.
struct Part {
    ChildPtr child;
    Child::Flushing flushing;
    /// Where it was stale when the flush began, as words of its bitmap; empty
    /// if nowhere.  What is copied to it from then on is not flushed.
    std::vector<std::uint64_t> stale;
    bool replayable = false;  ///< anywhere, when the flush began
    int error = 0;
    bool alone = false;  ///< no other flush makes this one's success doubtful

    /// Where it was stale, or is now.
    std::uint64_t missing(std::size_t index) const
    {
        return (stale.empty() ? 0 : stale[index]) | child->stale().word(index);
    }
};

/// Whether everything is on `threshold` of the children that have flushed.
bool covers_everything(const std::vector<Part>& parts, std::size_t threshold)
{
    std::size_t flushed = 0;
    std::vector<const Part*> lacking;
    for (const Part& part : parts) {
        if (part.error == 0) {
            flushed++;
            if (!part.stale.empty() || part.child->stale().any()) {
                lacking.push_back(&part);
            }
        }
    }
    if (flushed < threshold) {
        return false;
    }
    const std::size_t spare = flushed - threshold;
    if (lacking.size() <= spare) {
        return true;
    }
    const std::size_t words = lacking.front()->child->stale().words();
    for (std::size_t index = 0; index < words; index++) {
        // Usually all words are 0.  Else count bit by bit.
        std::uint64_t any = 0;
        for (const Part* part : lacking) {
            any |= part->missing(index);
        }
        for (; any != 0; any &= any - 1) {
            const std::uint64_t bit = any & -any;
            const auto count =
                std::count_if(lacking.begin(), lacking.end(), [&](const Part* part) {
                    return (part->missing(index) & bit) != 0;
                });
            if (static_cast<std::size_t>(count) > spare) {
                return false;
            }
        }
    }
    return true;
}

std::vector<Part> begin(const Children& children)
{
    std::vector<Part> parts;
    parts.reserve(children.size());
    for (const ChildPtr& child : children) {
        child->counters.flushes.fetch_add(1, std::memory_order_relaxed);
        const DirtyBitmap& stale = child->stale();
        Child::Flushing flushing = child->flush_begins();  // before it is looked at what is stale
        parts.push_back({child, std::move(flushing),
                         stale.any() ? stale.all_words() : std::vector<std::uint64_t>{},
                         child->replayable().any()});
    }
    return parts;
}

/// Flushes all; returns the slots, which stand as `parts` do.
std::vector<Slot> send(State& state, const std::vector<Part>& parts)
{
    Fanout fan(state.clock, parts.size());
    Request request;
    request.op = Op::flush;
    for (const Part& part : parts) {
        fan.add(part.child);
    }
    fan.slowest_first(Op::flush, [&](std::size_t i) {
        if (!fan.try_now(i, request)) {
            fan.send(i, std::make_shared<Request>(request));
        }
    });
    fan.wait();
    return fan.slots();
}

/// After a flush that succeeded: nobody needs any more what was kept until `sequence`.
void end_keeping(State& state, const std::vector<Part>& parts, std::uint64_t sequence)
{
    // Before it is dropped.
    for (const ChildPtr& child : state.children()) {
        const bool durable = std::ranges::any_of(parts, [&](const Part& part) {
            return part.child == child && part.error == 0 && !part.replayable;
        });
        if (!durable) {
            child->give_up_kept();
        }
    }
    state.unflushed.drop_until(sequence);
}

/// Who has flushed all that it has, and misses nothing, is current.
void note_flushed(State& state, const std::vector<Part>& parts)
{
    for (const Part& part : parts) {
        const std::size_t member = part.child->member;
        if (state.memory != nullptr && member != no_member && part.error == 0 &&
            part.alone && part.stale.empty() && !part.child->stale().any() &&
            !state.memory->is_recorded_current(member)) {
            part.child->unknown = false;
            state.memory->record_current(member, [&] {
                return !part.child->stale().any() && !part.child->unknown;
            });
        }
    }
}

/// It has failed, and may have dropped what it was to make durable.  Who is away, or did
/// not answer, has said nothing; see Child::distrust_unflushed().
bool said_no(const Slot& slot)
{
    return slot.error != 0 && !slot.abandoned && slot.error != ENOTCONN &&
           slot.error != ESHUTDOWN;
}

/// `everybody` gets whether all children have flushed, and are current everywhere.
int flush_children(State& state, bool& everybody)
{
    everybody = false;
    const RangeLock::Guard guard = state.lock_lane();
    if (!guard) {
        return EIO;
    }
    Children not_flushed;
    const Children children = state.reachable(&not_flushed);
    if (children.size() < state.threshold()) {
        return EIO;
    }
    const std::uint64_t sequence = state.unflushed.sequence();  // before the marks are taken
    std::vector<Part> parts = begin(children);
    const std::vector<Slot> slots = send(state, parts);

    std::vector<int> errors;
    for (std::size_t i = 0; i < parts.size(); i++) {
        Part& part = parts[i];
        part.error = slots[i].error;
        if (part.error == 0 && !part.child->flush_succeeded(part.flushing, &part.alone)) {
            part.error = ENOTCONN;
        }
        errors.push_back(part.error);
        if (part.error != 0) {
            state.report_error(*part.child, Fault::flush, {}, part.error);
        }
    }
    // If the flush succeeded as a whole, what a failed child was to flush is on
    // the others, and it is no longer believed there; unless it was merely not
    // answering: then nothing says that it lost anything.
    const bool success = covers_everything(parts, state.threshold());
    for (std::size_t i = 0; i < parts.size(); i++) {
        if (slots[i].error != 0) {
            parts[i].child->flush_failed(parts[i].flushing, success && !slots[i].abandoned);
        }
        if (parts[i].error != 0) {
            not_flushed.push_back(parts[i].child);
        }
    }
    if (!success) {
        const int error = vote_on_errors(errors);
        if (std::ranges::any_of(slots, said_no)) {
            state.untold_flush_error = error;
        }
        return error;
    }
    const bool alone = std::ranges::all_of(
        parts, [](const Part& part) { return part.error != 0 || part.alone; });
    if (alone) {
        end_keeping(state, parts, sequence);
    }
    note_flushed(state, parts);
    everybody = not_flushed.empty() && std::ranges::none_of(parts, [](const Part& part) {
        return part.child->stale().any();
    });
    return record_missing(state, not_flushed) == 0 ? 0 : EIO;
}

}  // namespace

int flush(State& state)
{
    const int error = flush_unasked(state);
    const int untold = state.untold_flush_error.exchange(0);
    return error != 0 ? error : untold;
}

int flush_unasked(State& state)
{
    return state.flush_turns.take(state.lock_deadline(), [&] {
        bool everybody = false;
        return flush_children(state, everybody);
    });
}

bool flush_everybody(State& state)
{
    bool everybody = false;  // and stays so if somebody else's flush was ours, too
    const int error = state.flush_turns.take(
        state.lock_deadline(), [&] { return flush_children(state, everybody); });
    return error == 0 && everybody;
}

}  // namespace resilience::quorum
