// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What changes the state of the secondary, whoever asks for it: a person by the
// control socket, the primary by the export `control`, or a group.
//
// Each action has two steps.  prepare() checks, makes the disk durable while
// I/O goes on, and then holds all I/O; commit() writes the one header that
// makes it so.  Between them nothing has changed, so giving up is free.

#include <cstdint>
#include <functional>
#include <memory>

#include "filters/replication/pair/side.h"
#include "filters/replication/pair/wire.h"
#include "filters/replication/secondary/background.h"
#include "filters/replication/secondary/core.h"

namespace resilience::replication {

/// An action of the secondary that is ready: all I/O is held back while this
/// lives, until let_go().
class Held final : public Prepared {
public:
    /// `durable`: what the primary has written before is durable then.  Throws
    /// CommandError.
    Held(Core& core, bool durable);

    void commit() override { then(*this); }
    /// I/O goes on.
    void let_go();

    std::function<void(Held&)> then;

private:
    Core& core_;
    RangeLock::Guard guard_;
    TimePoint began_;
};

/// Thread-safe.
class Actions {
public:
    Actions(std::shared_ptr<Core> core, Background& background)
        : core_(std::move(core)), background_(background)
    {
    }

    /// As Side::prepare().
    std::unique_ptr<Prepared> prepare(const Asked& asked);

    /// What the primary asks.  The answer's refusal and text are set, and its
    /// session if that is new.
    struct Answer {
        Refusal refusal = Refusal::none;
        std::string text;
        std::uint64_t session = 0;
    };
    Answer obey(const wire::Command& command);

private:
    void start(Held& held, std::uint64_t moment);
    void checkpoint(Held& held, std::uint64_t number, std::uint64_t moment);
    void stop(Held& held);
    void failover(Held& held);
    std::string failover_error(bool force) const;

    Answer hello(const wire::Command& command);
    Answer carry_out(const wire::Command& command);
    Answer wire_start();
    Answer wire_checkpoint(const wire::Command& command);
    Answer sync_begin(const wire::Command& command);
    Answer sync_end();
    Answer map_taken();

    const std::shared_ptr<Core> core_;
    Background& background_;
};

}  // namespace resilience::replication
