// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ranges in which the members may rightly differ, and how they become equal.
//
// After a crash of the server, members that are current can differ where writes were
// under way: each of them has the old content there or the new one, sector by sector,
// and both are right, since nobody was told anything.  What is not right is to give one
// version now and the other one later, or EIO for ever because none has a majority.  So
// before such a place is read, one version is chosen and written to all:
//
//   of each sector that which most members have; if several are as frequent, the one of
//   the first child of these, in the order of the children.
//
// Or a person has said whose content is the truth (`source`): then it is that one's.
// The others need not be current for that, they become it.
//
// Granules of 64 KiB are settled one by one, alone on their range: at once where a client
// reads, and everywhere in the background.

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "filters/quorum/answers.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// The place of the answer that is chosen for a piece, by the rule above.  Answers with an
/// error are not heard; there must be one without.  Pure.
std::size_t choose_version(const std::vector<Answer>& answers, std::size_t at,
                           std::size_t length);

/// Thread-safe.
class Settler {
public:
    explicit Settler(State& state) : state_(state), unsettled_(state.size, stale_granularity) {}

    /// The members may differ there, and it is not known who is right; `source`: it is
    /// known, or somebody has said so.
    void doubt(ByteRange range, ChildPtr source = nullptr);
    /// Whose content is the truth somewhere; null: nobody's.
    ChildPtr source() const;
    bool unsettled(ByteRange range) const { return unsettled_.any(range); }
    bool unsettled() const { return unsettled_.any(); }
    std::uint64_t unsettled_bytes() const { return unsettled_.marked_bytes(); }

    /// Settles what is unsettled in `range`, for whoever wants to read it.  0 or EIO.
    int settle(ByteRange range);
    /// A piece of it in the background.  Returns whether there is more to do now.
    bool step();

private:
    ChildPtr source_of(ByteRange granule) const;
    std::optional<Buffer> choose_content(const std::vector<Answer>& answers,
                                         const ChildPtr& truth) const;
    int settle_granule(ByteRange granule);
    int write_chosen(Answers& answers, ByteRange granule, const Buffer& chosen);

    State& state_;
    DirtyBitmap unsettled_;
    mutable std::mutex mutex_;
    ChildPtr source_;  ///< until all is settled
    ByteRange source_range_;
    std::uint64_t cursor_ = 0;  ///< step()'s
    TimePoint not_before_{};    ///< step()'s
};

}  // namespace resilience::quorum
