// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The primary's life with its secondary: reaching it, being accepted, copying
// what it misses, making checkpoints.
//
// One thread (run) does all of it, one step at a time:
//
//   no session       connect, hello.  Refused for good: fenced.  Else what the
//                    secondary misses is settled: everything, or what either
//                    side has changed (the change maps), or, if it is the same
//                    process as before, what was on its way when it was lost.
//   copying          while something is missed: read here, sent there, under the
//                    range's lock.  The secondary knows that it is in between
//                    (sync_begin ... sync_end) and keeps its last checkpoint.
//   in sync          checkpoints: at the end of a copy, by the clock, by flushes.
//
// Marks leave the change map in two ways only.  A checkpoint that the secondary
// has confirmed: all that was marked before it began.  And, as long as the
// secondary has no checkpoint to go back to (the first copy), what was copied
// and then flushed there; so a first copy that is interrupted goes on.
//
// Before that the local disk is flushed: what is not marked must be equal on both
// disks also when this side loses its power.
//
// The base of the change map (the number of the checkpoint) is made durable
// before marks are dropped: a secondary that shows an older checkpoint has lost
// its disk, and gets everything.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/device/range_lock.h"
#include "filters/replication/pair/identity.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/primary/device.h"
#include "filters/replication/primary/peer_link.h"

namespace resilience::replication {

/// How things stand, for people.
struct SessionStatus {
    enum class Phase : std::uint8_t { stopped, connecting, copying, in_sync, fenced };
    Phase phase = Phase::stopped;
    std::string reason;              ///< why not in_sync; empty if it is
    std::uint64_t session = 0;       ///< 0: none
    wire::Status peer;               ///< as last heard
    TimePoint heard{};               ///< when that was
    std::uint64_t sessions = 0;      ///< counts
    std::uint64_t checkpoint = 0;    ///< the last one that was confirmed
    TimePoint checkpoint_at{};       ///< when it began; {}: none in this process
    std::uint64_t checkpoints = 0;   ///< counts
    std::uint64_t checkpoint_errors = 0;
    std::uint64_t checkpoints_skipped = 0;  ///< wanted by clock or flush, but not in sync
    std::uint64_t copy_total = 0;    ///< bytes, of the copy that runs or ran last
    std::uint64_t copied = 0;        ///< bytes
    std::uint64_t zeroes_skipped = 0;  ///< bytes of holes that were sent as zeroes
    std::uint64_t unanswered = 0;    ///< commands
    std::uint64_t read_errors = 0;   ///< of the local disk, when copying
    std::string last_error;
};
std::string_view to_string(SessionStatus::Phase phase);

/// Whether a command was answered, and carried out.
inline bool accepted(const std::optional<wire::Status>& answer)
{
    return answer && answer->refusal == Refusal::none;
}

class PrimarySession {
public:
    /// Something that people want to hear of: an event's name and its text.
    using Tell = std::function<void(const std::string& event, const std::string& text)>;

    /// `identity` is that of this side, as stored.  All must outlive it.
    PrimarySession(const Options& options, PrimaryDevice& device, PeerLink& peer,
                   const Identity& identity, Tell tell);

    /// Asks the secondary once, in the foreground.  Returns why this side must
    /// not serve; empty if it may.  `accepted`: whether the secondary was heard.
    std::string first_contact(bool& accepted);

    // ---- from any thread

    /// Replication begins, or ends; the thread lives on.
    void enable(bool on = true);
    bool enabled() const;
    SessionStatus status() const;

    /// A checkpoint in two steps; `turn` is held until the second has ended, or
    /// cancel_checkpoint().  Both return what is wrong; empty if nothing is.
    struct Turn {
        RangeLock::Guard guard;
        std::uint64_t session = 0;
        bool barrier = false;
        TimePoint began{};
        std::uint64_t moment = 0;  ///< of a group
    };
    std::string prepare_checkpoint(Turn& turn);
    std::string commit_checkpoint(Turn& turn);
    void cancel_checkpoint(Turn& turn);
    std::string checkpoint();

    /// A checkpoint is wanted that has in it all that was acknowledged by now.
    /// `wait`: until it is there, or cannot be; at most the timeout.
    void want_checkpoint(bool wait);
    /// Checkpoints by the clock, by flushes and after copies are made by `make`
    /// instead of checkpoint().  Before run().
    void checkpoints_by(std::function<std::string()> make) { make_checkpoint_ = std::move(make); }
    /// The stream has lost the connection, or the secondary has refused a write.
    void wake();

    // ---- the thread

    void run();
    void stop();
    /// One round of run(); returns when the next one is due.  For simulations.
    TimePoint step();

private:
    static constexpr std::chrono::milliseconds heartbeat_interval{1000};
    static constexpr std::chrono::milliseconds settle_interval{1000};
    static constexpr std::chrono::milliseconds idle_interval{100};
    static constexpr std::chrono::milliseconds group_retry_interval{500};

    // Connecting.
    void try_session();
    bool say_hello(wire::Status& answer);
    bool settle_differences(const wire::Status& answer, bool full);
    bool take_map(const wire::Status& answer);
    bool begin_data(const wire::Status& answer, bool full);
    void fence(const std::string& why);
    void end_session(const std::string& why);
    RangeLock::Guard peer_turn();
    std::optional<wire::Status> exchange(wire::Kind kind, std::uint64_t session,
                                         const std::function<void(wire::Command&)>& fill = {});
    void heard(const wire::Status& status);

    // Copying.
    bool begin_sync(bool full);
    bool end_sync();
    bool copy_some();
    std::optional<std::uint64_t> copy_piece(ByteRange missed);
    std::uint64_t zeroes_at(ByteRange range);
    bool drain_copies();
    void forget_what_is_durable();
    void report_progress();

    // In sync.
    bool serve();
    bool is_there(std::uint64_t session);
    bool is_checkpoint_due(TimePoint now);
    bool checkpoint_if_due();
    void forget_what_is_confirmed();
    bool flush_local();
    void heartbeat();
    void answer_the_gate();
    TimePoint next_step(bool busy);

    void fail(const std::string& what);
    void set_phase(SessionStatus::Phase phase, const std::string& reason);
    std::uint64_t session() const;

    const Options& options_;
    PrimaryDevice& device_;
    PeerLink& peer_;
    Clock& clock_;
    const Tell tell_;
    std::function<std::string()> make_checkpoint_;  // of a group

    RangeLock peer_lock_;        // one exchange at a time
    RangeLock checkpoint_lock_;  // one checkpoint at a time

    mutable std::mutex mutex_;   // all that follows, unless it says other
    std::condition_variable changed_;
    Identity identity_;
    SessionStatus status_;
    bool enabled_ = false;
    bool stopping_ = false;
    bool woken_ = false;
    bool broken_ = false;           // the session is of no use any more
    bool refused_ = false;          // because the secondary has said so
    std::uint64_t base_ = 0;        // the checkpoint that the secondary surely has
    std::uint64_t sequence_ = 0;
    std::uint64_t wanted_ = 0;      // checkpoints that were asked for
    std::uint64_t done_ = 0;        // up to here they are made, or cannot be
    std::uint64_t placed_ = 0;      // markers
    std::uint64_t confirmed_ = 0;   // the marker of the last confirmed checkpoint
    std::uint64_t forgotten_ = 0;   // the marker that the change map stands at

    // The thread's own.
    std::shared_ptr<Device> data_;
    std::uint64_t instance_ = 0;    // of the secondary whose memory we know; 0: none
    bool syncing_ = false;
    bool must_checkpoint_ = false;  // the last copy has ended, and is not kept yet
    std::uint64_t made_then_ = 0;   // checkpoints, when that was so
    bool full_ = false;             // the copy is of everything, with nothing to go back to
    std::uint64_t cursor_ = 0;
    unsigned failures_ = 0;
    TimePoint retry_at_{};
    TimePoint next_heartbeat_{};
    TimePoint next_settle_{};
    TimePoint next_interval_{};
    TimePoint next_try_{};          // of a checkpoint of the group
    TimePoint next_durable_{};
    TimePoint next_copy_{};
};

}  // namespace resilience::replication
