// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/device/device.h"

namespace resilience {

/// Where a connection to an NBD server stands.
enum class NbdState : std::uint8_t {
    idle,        ///< start() was not called yet
    connecting,  ///< an attempt is under way
    up,          ///< serves requests
    returned,    ///< connected again, waits for resume(); serves nothing
    backoff,     ///< lost or refused; waits before the next attempt
    stopped,     ///< for good
};

/// What can happen to it.
enum class NbdEvent : std::uint8_t {
    start,        ///< start() was called
    connected,    ///< the attempt that start() waits for has succeeded
    reconnected,  ///< any later attempt has succeeded
    failed,       ///< an attempt has failed, or the server is not the one we knew
    lost,         ///< an established connection has ended
    retry,        ///< the back-off is over
    resume,       ///< the user accepts the connection
    stop,         ///< stop() was called
};

std::string_view to_string(NbdState state);
std::string_view to_string(NbdEvent event);

/// The state after `event`, or nullopt where the event means nothing.
std::optional<NbdState> next_state(NbdState state, NbdEvent event);

/// What Device::link() says of a state.
constexpr Link to_link(NbdState state)
{
    switch (state) {
    case NbdState::up: return Link::up;
    case NbdState::returned: return Link::returned;
    default: return Link::down;
    }
}

}  // namespace resilience
