// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/child_state.h"

namespace resilience {

ChildState next_state(ChildState state, ChildEvent event)
{
    switch (event) {
    case ChildEvent::missed_deadline:
        return state == ChildState::online ? ChildState::suspect : state;
    case ChildEvent::grace_over:
        return state == ChildState::suspect ? ChildState::aside : state;
    case ChildEvent::link_lost:
        return ChildState::aside;
    case ChildEvent::answered:
        return ChildState::online;
    }
    return state;
}

std::string_view to_string(ChildState state)
{
    switch (state) {
    case ChildState::online: return "online";
    case ChildState::suspect: return "suspect";
    case ChildState::aside: return "aside";
    }
    return "unknown";
}

std::string_view to_string(ChildEvent event)
{
    switch (event) {
    case ChildEvent::missed_deadline: return "missed a deadline";
    case ChildEvent::grace_over: return "did not answer for a second timeout";
    case ChildEvent::link_lost: return "connection lost";
    case ChildEvent::answered: return "answers again";
    }
    return "unknown";
}

}  // namespace resilience
