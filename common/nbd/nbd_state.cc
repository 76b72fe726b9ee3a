// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/nbd_state.h"

#include <array>

namespace resilience {

namespace {

struct Transition {
    NbdState from;
    NbdEvent event;
    NbdState to;
};

// The whole machine.  `stop` leads from everywhere to `stopped`, which nothing
// leaves.  No event leads from connecting or backoff straight to `up` except
// `connected`: a user that was once told `down` has to accept the link itself.
constexpr std::array transitions{
    Transition{NbdState::idle, NbdEvent::start, NbdState::connecting},
    Transition{NbdState::connecting, NbdEvent::connected, NbdState::up},
    Transition{NbdState::connecting, NbdEvent::reconnected, NbdState::returned},
    Transition{NbdState::connecting, NbdEvent::failed, NbdState::backoff},
    Transition{NbdState::backoff, NbdEvent::retry, NbdState::connecting},
    Transition{NbdState::returned, NbdEvent::resume, NbdState::up},
    Transition{NbdState::returned, NbdEvent::lost, NbdState::backoff},
    Transition{NbdState::up, NbdEvent::lost, NbdState::backoff},
};

}  // namespace

std::string_view to_string(NbdState state)
{
    switch (state) {
    case NbdState::idle: return "idle";
    case NbdState::connecting: return "connecting";
    case NbdState::up: return "up";
    case NbdState::returned: return "returned";
    case NbdState::backoff: return "backoff";
    case NbdState::stopped: return "stopped";
    }
    return "unknown";
}

std::string_view to_string(NbdEvent event)
{
    switch (event) {
    case NbdEvent::start: return "start";
    case NbdEvent::connected: return "connected";
    case NbdEvent::reconnected: return "reconnected";
    case NbdEvent::failed: return "failed";
    case NbdEvent::lost: return "lost";
    case NbdEvent::retry: return "retry";
    case NbdEvent::resume: return "resume";
    case NbdEvent::stop: return "stop";
    }
    return "unknown";
}

std::optional<NbdState> next_state(NbdState state, NbdEvent event)
{
    if (event == NbdEvent::stop && state != NbdState::stopped) {
        return NbdState::stopped;
    }
    for (const Transition& t : transitions) {
        if (t.from == state && t.event == event) {
            return t.to;
        }
    }
    return std::nullopt;
}

}  // namespace resilience
