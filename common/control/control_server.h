// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "common/control/command_table.h"
#include "common/control/event_bus.h"
#include "common/core/setup_error.h"

namespace resilience {

/// What a client may ask of the server's memory and threads.
struct ControlLimits {
    std::size_t clients = 16;                ///< connected at a time
    std::size_t message_bytes = 1024 * 1024; ///< one JSON message
    std::size_t queue_bytes = 4 * 1024 * 1024;  ///< replies and events a client has not read
};

/// Serves the QMP protocol on a unix socket.
///
/// Keep it in a heap object (no static one: static destructors run in the
/// wrong process).  `table` and `bus` must live until stop() has returned
/// true; see there.
class ControlServer {
public:
    /// Binds and listens, so that the user sees errors: call it before the
    /// server forks.  `path` is absolute.  A socket that a dead server left is
    /// replaced; anything else that is there is refused.  The socket has mode
    /// 0600 from its first moment.  Clients that connect now are answered
    /// after start().  Throws SetupError.
    ControlServer(std::string path, CommandTable& table, EventBus& bus,
                  ControlLimits limits = {});
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;
    /// Stops; removes the socket if start() was never called.
    ~ControlServer();

    /// Starts the threads; once, in the process that serves.
    void start();

    /// Takes the socket away, ends the connections and the threads.  Waits at
    /// most `limit` for commands that are being carried out.  Returns false if
    /// one is still running then: its thread is left behind, and the caller
    /// must keep alive whatever the command uses.  Can be called again.
    bool stop(std::chrono::milliseconds limit = std::chrono::seconds(5));

    const std::string& path() const;

private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace resilience
