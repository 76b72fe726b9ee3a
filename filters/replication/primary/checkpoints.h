// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Checkpoints: at the end of a copy, by the clock, by the guest's flushes, by
// command; and what the change map may forget after them.
//
// A checkpoint that the secondary has confirmed takes from the change map all that
// was marked before it began.  Before that the local disk is flushed: what is not
// marked must be equal on both disks also when this side loses its power.  And the
// number of the checkpoint is made durable before marks are dropped: a secondary
// that shows an older one has lost its disk, and gets everything.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "common/device/range_lock.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/primary/device.h"
#include "filters/replication/primary/dialog.h"

namespace resilience::replication {

class Checkpoints {
public:
    struct Status {
        std::uint64_t last = 0;     ///< the number of the last one that was confirmed
        TimePoint last_at{};        ///< when it began; {}: none in this process
        std::uint64_t made = 0;     ///< counts
        std::uint64_t errors = 0;
        std::uint64_t skipped = 0;  ///< wanted by clock or flush, but not in sync
    };

    /// What they need of the session: functions for any thread.
    struct Hooks {
        std::function<std::string()> obstacle;  ///< why not in sync; empty if it is
        std::function<void()> wake;             ///< make_if_due() is to be called soon
    };

    /// One checkpoint, in two steps.  From the first on the guest's later changes
    /// wait (in the backlog), until cancel() or the end of its life.
    class Turn {
    public:
        /// `moment`: what all disks of a group call it; 0: of this disk alone.
        explicit Turn(std::uint64_t moment = 0) : moment_(moment) {}
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() { cancel(); }
        void cancel() noexcept;

    private:
        friend class Checkpoints;
        RangeLock::Guard guard_;
        Stream* stream_ = nullptr;  ///< whose barrier is ours
        bool unanswered_ = false;   ///< it was asked for, and may be made yet
        std::uint64_t session_ = 0;
        std::uint64_t moment_;
        TimePoint began_{};
    };

    /// All must outlive it.  `last`: the one that the secondary is known to have.
    Checkpoints(const Options& options, PrimaryDevice& device, Dialog& dialog, std::uint64_t last,
                Hooks hooks);

    // ---- from any thread

    /// Both return what is wrong; empty if nothing is.
    std::string prepare(Turn& turn);
    std::string commit(Turn& turn);
    std::string make();
    /// One is wanted that has in it all that was acknowledged by now.  `wait`:
    /// until it is there, or cannot be; at most the timeout.
    void want(bool wait);
    /// Nobody waits for one any more.
    void stop();
    Status status() const;

    // ---- from the session's

    /// Those that nobody has asked for are made by `make` instead of make().
    /// Before anything else.
    void make_by(std::function<std::string()> make) { make_ = std::move(make); }
    /// A session has begun.
    void meet();
    /// A copy has ended, or the secondary has nothing to go back to.
    void must();
    /// Whether one was made.
    bool make_if_due();
    /// When make_if_due() may have something to do.
    TimePoint next() const { return std::max(next_interval_, next_try_); }
    /// Lazily, since it costs a sync (a mark too many does no harm): drops the marks
    /// of before the last one.  Returns its number if that is the secondary's base
    /// now.
    std::optional<std::uint64_t> forget();

private:
    bool is_due(TimePoint now);

    const Options& options_;
    PrimaryDevice& device_;
    Dialog& dialog_;
    Clock& clock_;
    const Hooks hooks_;
    std::function<std::string()> make_;  // of a group
    RangeLock turns_;                    // one at a time

    mutable std::mutex mutex_;           // what follows
    std::condition_variable changed_;
    Status status_;
    bool stopping_ = false;
    std::uint64_t wanted_ = 0;      // that were asked for
    std::uint64_t done_ = 0;        // up to here they are made, or cannot be
    std::uint64_t placed_ = 0;      // barriers
    std::uint64_t confirmed_ = 0;   // the barrier of the last one that was confirmed
    std::uint64_t forgotten_ = 0;   // the barrier that the change map stands at

    // The session's thread's own.
    bool must_ = false;             // the last copy has ended, and is not kept yet
    std::uint64_t made_then_ = 0;   // Status::made, when that was so
    TimePoint next_interval_{};
    TimePoint next_try_{};          // of one of the group
};

}  // namespace resilience::replication
