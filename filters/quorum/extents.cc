// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/extents.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "common/core/vote.h"
#include "common/device/extents.h"
#include "filters/quorum/fanout.h"
#include "filters/quorum/read.h"

namespace resilience::quorum {

namespace {

/// Walks one child's list from the start of the request to its end.
class Walker {
public:
    Walker(const ExtentList& list, std::uint64_t length) : list_(list), length_(length) {}

    /// Moves to byte `position` (never backwards).
    void move_to(std::uint64_t position)
    {
        while (index_ < list_.size() && start_ + list_[index_].length <= position) {
            start_ += list_[index_++].length;
        }
    }

    bool zero() const { return index_ < list_.size() && list_[index_].zero; }

    /// Where the run that is all zero, or all not, ends.
    std::uint64_t run_end() const
    {
        std::uint64_t end = start_;
        std::size_t i = index_;
        for (; i < list_.size() && list_[i].zero == zero(); i++) {
            end += list_[i].length;
        }
        // Where the list ends too early, nothing is known, and that is data.
        return i == list_.size() && !zero() ? length_ : std::min(end, length_);
    }

    /// Whether all of it is unallocated up to `end`.
    bool hole_until(std::uint64_t end) const
    {
        std::uint64_t at = start_;
        for (std::size_t i = index_; i < list_.size() && at < end; at += list_[i++].length) {
            if (!list_[i].hole) {
                return false;
            }
        }
        return true;
    }

private:
    const ExtentList& list_;
    std::uint64_t length_;
    std::size_t index_ = 0;
    std::uint64_t start_ = 0;
};

/// Sends `request` to all of `children`, each with a Request of its own.
void ask_all(Fanout& fan, const Children& children, const Request& request)
{
    for (const ChildPtr& child : children) {
        fan.add(child);
    }
    fan.slowest_first(request.op, [&](std::size_t i) {
        auto own = std::make_shared<Request>(request);
        if (!fan.try_now(i, own)) {
            fan.send(i, std::move(own));
        }
    });
    fan.wait();
}

}  // namespace

ExtentList merge_extents(std::span<const ExtentList> lists, std::uint64_t length)
{
    std::vector<Walker> walkers;
    for (const ExtentList& list : lists) {
        walkers.emplace_back(list, length);
    }
    ExtentList merged;
    for (std::uint64_t position = 0; position < length;) {
        bool all_zero = true;
        std::uint64_t shortest_zero = length;
        std::uint64_t longest_data = position;
        for (Walker& walker : walkers) {
            walker.move_to(position);
            if (walker.zero()) {
                shortest_zero = std::min(shortest_zero, walker.run_end());
            } else {
                all_zero = false;
                longest_data = std::max(longest_data, walker.run_end());
            }
        }
        const std::uint64_t end = all_zero ? shortest_zero : longest_data;
        const bool hole = all_zero && std::all_of(walkers.begin(), walkers.end(),
                                                  [&](Walker& w) { return w.hole_until(end); });
        append_extent(merged, {end - position, hole, all_zero});
        position = end;
    }
    return merged;
}

ExtentList agreed_extents(State& state, ByteRange range)
{
    const ExtentList all_data{{range.length(), false, false}};
    const Children voters = state.voters(range);
    if (voters.size() < state.threshold()) {
        return all_data;  // the read will say what is wrong
    }
    Request question;
    question.op = Op::extents;
    question.offset = range.begin;
    question.length = range.length();
    Fanout fan(state.clock, voters.size());
    ask_all(fan, voters, question);

    std::vector<ExtentList> lists;
    for (const Slot& slot : fan.slots()) {
        if (slot.error != 0) {
            state.report_error(*slot.child, Fault::read, range, slot.error);
            return all_data;
        }
        lists.push_back(slot.request->extents);
    }
    return merge_extents(lists, range.length());
}

int block_status(State& state, Request& request)
{
    const ByteRange range = range_of(request);
    const RangeLock::Guard guard = state.lock(range, LockMode::shared);
    if (!guard) {
        return EIO;
    }
    request.extents = agreed_extents(state, range);
    return 0;
}

int cache(State& state, const Request& request)
{
    const RangeLock::Guard guard = state.lock(range_of(request), LockMode::shared);
    if (!guard) {
        return EIO;
    }
    Children able = state.reachable();
    std::erase_if(able, [](const ChildPtr& child) { return !child->device().capabilities().cache; });
    Fanout fan(state.clock, able.size());
    ask_all(fan, able, request);
    // A prefetch is a hint: that a child did not take it is no failure.
    return 0;
}

}  // namespace resilience::quorum
