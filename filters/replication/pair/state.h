// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The states of a side, and which command is good in which: QEMU's rules and
// texts, where they are not defects.  Pure logic.
//
// What is different from QEMU, on purpose: a side that was stopped without
// failover can be started again, and such a stop works.  Only a failover is for
// good: after it start, checkpoint and stop are ignored, with success.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "filters/replication/pair/options.h"

namespace resilience::replication {

enum class State : std::uint8_t {
    none = 0,             ///< before the start: I/O is EIO
    running = 1,
    failover = 2,         ///< what the secondary sees is being merged into its disk
    failover_failed = 3,  ///< that failed
    done = 4,             ///< stopped, or failed over
};

/// "none", "running", "failover", "failover-failed", "done".
std::string_view to_string(State state);

/// Whether a command is to be carried out.
struct Ruling {
    bool go = false;    ///< carry it out
    std::string error;  ///< refuse it with this text; empty and !go: ignored, with success

    static Ruling ignore() { return {}; }
    static Ruling proceed() { return {true, {}}; }
    static Ruling refuse(std::string text) { return {false, std::move(text)}; }
};

/// `promoted`: the side is done because of a failover.
Ruling rule_start(State state, bool promoted, Mode mine, Mode asked);
Ruling rule_checkpoint(State state, Mode mine);
/// `failover` has no meaning on a primary, which is only stopped.
Ruling rule_stop(State state);
/// replication-failover, which may also repeat one that has failed.
Ruling rule_failover(State state, Mode mine);

/// What query-xen-replication-status says: nullopt, or the error's text.
/// `sticky`: an error was noted since the start.
std::optional<std::string> replication_error(State state, bool sticky);

}  // namespace resilience::replication
