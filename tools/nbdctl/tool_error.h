// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdexcept>
#include <string>

namespace resilience::nbdctl {

/// The exit statuses of nbdctl; its manual lists them.
enum class Exit : int { ok = 0, refused = 1, usage = 2, connection = 3, timeout = 4 };

/// Ends the program with a message and a status.
class ToolError : public std::runtime_error {
public:
    ToolError(Exit status, const std::string& message)
        : std::runtime_error(message), status_(status)
    {
    }
    Exit status() const { return status_; }

private:
    Exit status_;
};

}  // namespace resilience::nbdctl
