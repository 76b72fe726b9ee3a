// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the primary says to its secondary, one exchange at a time, and the
// session in which it is said: its number, and whether it is still of use.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "common/device/range_lock.h"
#include "filters/replication/pair/identity.h"
#include "filters/replication/primary/peer_link.h"

namespace resilience::replication {

/// Whether a command was answered, and carried out.
inline bool accepted(const std::optional<wire::Status>& answer)
{
    return answer && answer->refusal == Refusal::none;
}

/// Thread-safe.  Every call that asks the secondary ends within a few timeouts.
class Dialog {
public:
    struct Status {
        std::uint64_t session = 0;     ///< 0: none
        std::uint64_t sessions = 0;    ///< counts
        wire::Status peer;             ///< as last heard
        TimePoint heard{};             ///< when that was
        std::uint64_t unanswered = 0;  ///< commands
        std::string last_error;        ///< of whatever was done in the session
    };

    /// `peer` must outlive it.  `size`: of this side's disk.
    Dialog(PeerLink& peer, const Identity& identity, std::uint64_t size, Duration timeout,
           Clock& clock);

    const Identity& identity() const { return identity_; }

    // ---- the session

    void begin(std::uint64_t session);
    /// Hangs up.
    void end();
    std::uint64_t session() const;
    /// The session is of no use any more; `refused`: because the secondary has
    /// said so, so it may have been promoted.
    void give_up(bool refused);
    bool given_up() const;
    /// Whether that was because of a refusal; once.
    bool take_refusal();

    Status status() const;
    /// Why the last command had no answer.
    std::string silence() const;
    /// For Status::last_error.
    void note(const std::string& what);
    std::string last_error() const;

    // ---- exchanges

    /// Makes the connection, in place of any older one.
    bool connect();
    /// Has a command carried out.  nullopt: nobody knows what came of it.
    std::optional<wire::Status> command(wire::Kind kind, std::uint64_t session,
                                        const std::function<void(wire::Command&)>& fill = {});
    /// Whether the secondary answers, in this session; if not it is given up.
    bool is_there(std::uint64_t session);
    bool read_map(std::uint64_t offset, std::span<std::byte> into);
    /// As PeerLink::open_data().
    std::shared_ptr<Device> open_data();

private:
    RangeLock::Guard turn();
    void hear(const wire::Status& status);

    PeerLink& peer_;
    const Identity identity_;
    const std::uint64_t size_;
    const Duration timeout_;
    Clock& clock_;
    RangeLock turns_;  // one exchange at a time

    mutable std::mutex mutex_;  // all that follows
    Status status_;
    std::string silence_;
    bool given_up_ = false;
    bool refused_ = false;
    std::uint64_t sequence_ = 0;
};

}  // namespace resilience::replication
