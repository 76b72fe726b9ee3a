// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>
#include <cstring>
#include <utility>

#include "filters/quorum/blocks.h"
#include "filters/quorum/read.h"
#include "filters/quorum/speed.h"

namespace resilience::quorum {

namespace {

/// One child's answer, in the client's memory if it comes at once, else
/// through a buffer that may be abandoned.
int read_from(State& state, const ChildPtr& child, Request& request)
{
    child->counters.reads++;
    Fanout fan(state.clock, 1);
    fan.measure();
    fan.add(child);
    if (fan.try_now(0, request)) {
        return fan.slots()[0].error;
    }
    const auto own = own_read(request);
    fan.send(0, own);
    fan.wait();
    const int error = fan.slots()[0].error;
    if (error == 0 && child->stale().any(range_of(request))) {
        return ENOTCONN;  // it came back, having forgotten, while we asked it
    }
    if (error == 0) {
        std::memcpy(request.into.data(), own->into.data(), request.into.size());
    }
    return error;
}

}  // namespace

/// The first child that answers is believed, in child order but for slow ones, which
/// are last, and every request starts again at the first child.  A child that is
/// stale in the range is passed over, so this never returns data from before an acknowledged write.
/// If all fail there is a vote on each block; if that fails, too, the last error is returned:
/// QEMU has no QUORUM_FAILURE here.
int read_first_answer(State& state, Request& request)
{
    const ByteRange range = range_of(request);
    const RangeLock::Guard guard = state.lock(range, LockMode::shared);
    if (!guard) {
        return EIO;
    }
    int error = EIO;
    const Children voters = fast_first(state.voters(range));
    for (const ChildPtr& child : voters) {
        error = read_from(state, child, request);
        // Nothing is compared, so all that is known is where it could not be read.
        if (error == 0) {
            child->differences().remove(range);
            measure_others(state, voters, child, request);
            return 0;
        }
        if (worth_rewriting(error)) {
            child->differences().add_unread(range);
        }
        state.report_error(*child, Fault::read, range, error);
    }
    // Nobody has all of it: perhaps each block is to be had.
    Buffer right;
    Answers answers(Children(), range);
    if (!in_one_granule(range) || decide_by_block(state, answers, Ask::everybody, right) != 0) {
        return error;
    }
    std::memcpy(request.into.data(), right.span().data(), right.size);
    return 0;
}

}  // namespace resilience::quorum
