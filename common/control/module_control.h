// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "common/control/command_table.h"
#include "common/control/control_server.h"
#include "common/control/event_bus.h"
#include "common/core/parameter_table.h"

namespace resilience {

/// What a module says and is told on its control socket.  Events and commands
/// are there in any case; a socket only if its parameter is given.
class ModuleControl {
public:
    EventBus& events() { return events_; }
    CommandTable& commands() { return commands_; }
    /// Where the socket is; absolute; empty: there is none.
    const std::string& path() const { return path_; }

    /// The row of the socket, of this name.
    Parameter parameter(std::string name);
    /// Makes the socket: before the fork, where the user reads what is wrong
    /// with it.  Throws SetupError.
    void open();
    /// Serves it; the commands have been added.
    void start();
    /// Waits at most five seconds for commands that run.
    void stop();
    /// Whether a command still ran when stop() returned: whatever it may use, and
    /// this, must never be destroyed then.
    bool left_behind() const { return left_behind_; }

private:
    std::string path_;
    EventBus events_;
    CommandTable commands_;
    std::unique_ptr<ControlServer> server_;
    bool left_behind_ = false;
};

}  // namespace resilience
