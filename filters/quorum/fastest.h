// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// read-pattern=fastest: answer as soon as `threshold` children agree, and
// compare the others behind the client's back.
//
// What is compared later must still be comparable: a write to the same range
// may have gone out meanwhile, and then a slow child's answer may be newer than
// the one we gave.  Holding the range lock until the slowest child has answered
// would make its slowness visible again; so a write simply makes the
// comparisons of its range void (forget()).
//
// A child that is far behind is not asked any more until it has caught up, so
// that what is waiting for it stays bounded; `not_compared` counts that.

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "common/device/request.h"
#include "filters/quorum/answers.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

class FastestReader {
public:
    explicit FastestReader(State& state) : state_(state) {}
    FastestReader(const FastestReader&) = delete;
    FastestReader& operator=(const FastestReader&) = delete;
    /// Forgets the answers that are still out: a child that hangs may give
    /// them when all this has gone.
    ~FastestReader();

    /// Returns 0 with the data in request.into, or an errno.
    int read(Request& request);

    /// A write to `range` begins; the caller holds the range exclusively.
    void forget(ByteRange range);

    /// Abandons children that are overdue with answers nobody waits for.
    void abandon_overdue();

private:
    struct Straggler;
    using Stragglers = std::list<std::shared_ptr<Straggler>>;

    std::vector<Slot> leave_stragglers(Fanout& fan, ByteRange range);
    int conclude(const std::vector<Slot>& slots, const Vote& vote, Request& request);
    void late_answer(const std::shared_ptr<Straggler>& straggler, std::size_t index);
    void compare_late(const Straggler& straggler, const Slot& slot,
                      const std::shared_ptr<Request>& given);

    State& state_;
    std::mutex mutex_;  // taken before the mutex of a fan-out
    Stragglers stragglers_;
    std::atomic<std::size_t> count_{0};
};

}  // namespace resilience::quorum
