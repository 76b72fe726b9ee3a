// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One side of a pair, as the module, the commands and a group see it.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/control/command_table.h"
#include "common/control/event_bus.h"
#include "common/nbdkit/module.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/pair/state.h"

namespace resilience::replication {

/// What is asked of all disks of a group at once.
enum class Action : std::uint8_t { start, checkpoint, stop, failover };
std::string_view to_string(Action action);

struct Asked {
    Action action = Action::checkpoint;
    Mode mode = Mode::unset;  ///< start: as what; else it has no meaning
    bool force = false;       ///< failover: even if there is no checkpoint
    std::uint64_t moment = 0; ///< checkpoint, start: what all disks of a group call it
};

/// An action that a side is ready for.  Destroyed without commit(), it has
/// never been asked for.  While it lives the side may hold I/O back, so it must
/// not live long.  Used by one thread at a time, not always the same.
class Prepared {
public:
    virtual ~Prepared() = default;
    /// Carries it out.  Throws CommandError if that fails after all.
    virtual void commit() = 0;
};

/// The engine of a primary or of a secondary.  Everything but get_ready(),
/// after_fork() and cleanup() may be called from any thread.
class Side {
public:
    Side() = default;
    Side(const Side&) = delete;
    Side& operator=(const Side&) = delete;
    virtual ~Side() = default;

    // As in Module.
    virtual void get_ready(std::shared_ptr<Device> next, bool background) = 0;
    virtual void after_fork() = 0;
    virtual std::shared_ptr<Device> open(const Client& client) = 0;
    virtual std::vector<Export> exports() const = 0;
    virtual void cleanup() = 0;

    virtual State state() const = 0;
    /// QEMU's get-error: nullopt, or the text.
    virtual std::optional<std::string> get_error() const = 0;
    /// Checks whether `action` is possible, and gets ready for it.  Null: it is
    /// to be ignored, with success.  Throws CommandError with the reason if it
    /// is not possible.
    virtual std::unique_ptr<Prepared> prepare(const Asked& asked) = 0;
    /// What query-replication returns, beside what is the same for both sides.
    virtual Json query() const = 0;
    /// Which checkpoint of a group a failover would go back to; 0: one of this
    /// disk alone, or there is none to go back to.
    virtual std::uint64_t moment() const { return 0; }
    /// A checkpoint that nobody has asked for is made by `make`, for all disks of
    /// a group, which returns what is wrong; empty if nothing is.  Before
    /// after_fork().
    virtual void checkpoints_by(std::function<std::string()> make) { (void)make; }
    /// Commands that only this side has.
    virtual void add_commands(CommandTable& table) { (void)table; }
};

std::unique_ptr<Side> make_primary(const Options& options, EventBus& events);
std::unique_ptr<Side> make_secondary(const Options& options, EventBus& events);

}  // namespace resilience::replication
