// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The primary's life with its secondary: the loop that puts together what the
// other files of this folder do.
//
// One thread (run) does all of it, one step at a time:
//
//   no session       handshake.h: connect, hello, what is missed.  Refused for
//                    good: fenced.
//   copying          copier.h: while something is missed.
//   in sync          checkpoints.h.
//
// All of them speak to the secondary by dialog.h, which knows whether the session
// is of use; one that is not ends with the next step, and so does one in which
// something unforeseen was thrown: nobody knows how far it came.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "filters/replication/primary/checkpoints.h"
#include "filters/replication/primary/copier.h"
#include "filters/replication/primary/device.h"
#include "filters/replication/primary/dialog.h"
#include "filters/replication/primary/handshake.h"

namespace resilience::replication {

/// How things stand, for people.
struct SessionStatus {
    enum class Phase : std::uint8_t { stopped, connecting, copying, in_sync, fenced };
    Phase phase = Phase::stopped;
    std::string reason;  ///< why not in_sync; empty if it is
    Dialog::Status dialog;
    Copier::Status copy;
    Checkpoints::Status checkpoints;
};
std::string_view to_string(SessionStatus::Phase phase);

class PrimarySession {
public:
    /// Something that people want to hear of: an event's name and its text.
    using Tell = std::function<void(const std::string& event, const std::string& text)>;

    /// `identity` is that of this side, as stored.  All others must outlive it.
    PrimarySession(const Options& options, PrimaryDevice& device, PeerLink& peer,
                   const Identity& identity, Tell tell);

    /// As Handshake::first_contact().  Before run().
    std::string first_contact(bool& accepted) { return handshake_.first_contact(accepted); }

    // ---- from any thread

    /// Replication begins, or ends; the thread lives on.
    void enable(bool on = true);
    SessionStatus status() const;
    Checkpoints& checkpoints() { return checkpoints_; }
    /// The stream has lost the connection, or the secondary has refused a write.
    void wake();

    // ---- the thread

    /// Runs until stop(), and says goodbye.  May be called again if it throws.
    void run();
    void stop();
    /// One round of run(); returns when the next one is due.
    TimePoint step();

private:
    using Phase = SessionStatus::Phase;

    void advance(bool& busy);
    void try_session();
    bool begin_data(const Handshake::Result& met);
    bool begin_copy(bool full);
    bool serve();
    bool copy();
    void heartbeat();
    void answer_the_gate();
    void end_session(const std::string& why);
    void fence(const std::string& why);
    TimePoint next_step(bool busy);

    bool enabled() const;
    Phase phase() const;
    std::string obstacle() const;
    void set_phase(Phase phase, const std::string& reason);

    const Options& options_;
    PrimaryDevice& device_;
    Clock& clock_;
    const Tell tell_;
    Dialog dialog_;
    Handshake handshake_;
    Copier copier_;
    Checkpoints checkpoints_;

    mutable std::mutex mutex_;  // what follows
    std::condition_variable changed_;
    Phase phase_ = Phase::stopped;
    std::string reason_;
    bool enabled_ = false;
    bool stopping_ = false;
    bool woken_ = false;

    // The thread's own.
    std::shared_ptr<Device> data_;
    unsigned failures_ = 0;
    TimePoint retry_at_{};
    TimePoint next_heartbeat_{};
    TimePoint next_settle_{};
};

}  // namespace resilience::replication
