// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Bringing a child up to date: what it missed is copied from the others.
//
// The bad case (as DRBD's documents put it): the resync reads version 1, a
// client writes version 2 everywhere, the resync writes version 1 back.  So a
// range is read, copied and declared current under the exclusive range lock,
// and in pieces small enough that no client waits long for it.
//
// Nothing is copied that has not won a vote.  When fewer than `threshold` children are
// current in a range, those that are stale there have a say, sector by sector, but
// never outvote one that is current; see blocks.h.
//
// What all of the sources, at least `threshold` of them, say to be a hole is not
// read but zeroed, in larger pieces.  Where that is, is asked for a stretch ahead
// without keeping anybody out, so it is a hint; what counts is asked again under the
// lock of the piece.

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/device/buffer_pool.h"
#include "filters/quorum/answers.h"
#include "filters/quorum/replay.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// Where the resync of a child stands, for people.
struct ResyncStatus {
    std::string child;
    /// paused, cancelled: nothing will be copied, also if nothing is stale yet;
    /// foreign: somebody has to accept it first;
    /// idle: nothing is stale; differs: nothing is, and yet it is known to be wrong
    /// somewhere; running; waiting: the child is not online, and may miss nothing;
    /// blocked: too few others agree on what is left.
    std::string_view state;
    std::uint64_t total = 0;      ///< bytes since it started
    std::uint64_t remaining = 0;  ///< bytes
};

ResyncStatus resync_status(const Child& child);

class Resync {
public:
    explicit Resync(State& state) : state_(state), replay_(state) {}

    /// Does a piece of work, if there is any: copies one range, or ends the
    /// resync of a child.  Returns whether it is worth calling again soon.
    /// One thread at a time.
    bool step();
    /// Before this, step() does nothing (the rate limit).
    TimePoint next_step() const;

private:
    struct Progress {
        std::uint64_t cursor = 0;         ///< bytes
        std::uint64_t careful_until = 0;  ///< bytes
        bool anything_blocked = false;    ///< in this pass over the child
        TimePoint not_before{};
        ByteRange looked{};               ///< where it is known, or was, what is a hole
        std::vector<bool> holes;          ///< for each granule of that
    };
    struct Piece {
        ByteRange range;
        bool hole = false;
    };
    enum class Copied { done, blocked, failed, no_hole };

    bool wanted(const Child& child) const;
    void begin(Child& child);
    bool replay_to_all(const Children& children);
    bool step_child(const ChildPtr& child);
    bool finish(const ChildPtr& child, Progress& progress);
    std::optional<Piece> next_piece(const Child& child, Progress& progress);
    void look_ahead(Progress& progress, ByteRange range);
    Copied copy(const ChildPtr& child, const Piece& piece);
    Copied write(const ChildPtr& child, std::shared_ptr<Request> request);
    std::optional<Buffer> right_content(ByteRange range);
    std::uint64_t largest_piece() const;
    std::uint64_t largest_hole(const Child& child) const;
    void pay_for(std::uint64_t bytes);

    State& state_;
    Replay replay_;
    std::map<std::string, Progress> progress_;
    TimePoint next_copy_{};
};

}  // namespace resilience::quorum
