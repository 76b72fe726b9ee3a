// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/pair/state.h"

#include <fmt/format.h>

namespace resilience::replication {

namespace {

constexpr const char* not_running = "Block replication is not running";
constexpr const char* running_or_done = "Block replication is running or done";
constexpr const char* no_job = "Backup job was cancelled unexpectedly";

/// QEMU's numbers in its text.
int number_of(Mode mode) { return mode == Mode::primary ? 0 : 1; }

}  // namespace

std::string_view to_string(Mode mode)
{
    switch (mode) {
    case Mode::unset: return "unset";
    case Mode::primary: return "primary";
    case Mode::secondary: return "secondary";
    }
    return "unknown";
}

std::string_view to_string(State state)
{
    switch (state) {
    case State::none: return "none";
    case State::running: return "running";
    case State::failover: return "failover";
    case State::failover_failed: return "failover-failed";
    case State::done: return "done";
    }
    return "unknown";
}

Ruling rule_start(State state, bool promoted, Mode mine, Mode asked)
{
    if (state == State::failover || (state == State::done && promoted)) {
        return Ruling::ignore();
    }
    if (state == State::running || state == State::failover_failed) {
        return Ruling::refuse(running_or_done);
    }
    if (mine != asked) {
        return Ruling::refuse(fmt::format("The parameter mode's value is invalid, needs {}, but "
                                          "got {}",
                                          number_of(mine), number_of(asked)));
    }
    return Ruling::proceed();
}

Ruling rule_checkpoint(State state, Mode mine)
{
    if (state == State::done || state == State::failover) {
        return Ruling::ignore();
    }
    if (state == State::running) {
        return Ruling::proceed();
    }
    return mine == Mode::primary ? Ruling::ignore() : Ruling::refuse(no_job);
}

Ruling rule_stop(State state)
{
    if (state == State::done || state == State::failover) {
        return Ruling::ignore();
    }
    return state == State::running ? Ruling::proceed() : Ruling::refuse(not_running);
}

Ruling rule_failover(State state, Mode mine)
{
    if (mine == Mode::secondary && state == State::failover_failed) {
        return Ruling::proceed();
    }
    return rule_stop(state);
}

std::optional<std::string> replication_error(State state, bool sticky)
{
    if (state == State::none) {
        return not_running;
    }
    return sticky ? std::optional<std::string>("I/O error occurred") : std::nullopt;
}

}  // namespace resilience::replication
