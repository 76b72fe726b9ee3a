// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdexcept>
#include <string>

namespace resilience::nbdcrash {

/// The exit statuses of nbdcrash, as cmp's and grep's; its manual lists them.
enum class Exit : int {
    ok = 0,
    found = 1,   ///< a difference, damage or a bad state was looked for and found
    failed = 2,  ///< wrong usage, or it could not be done
    unfinished = 3,  ///< nothing was found before the time was over or somebody ended it
};

/// Ends the program with a message and Exit::failed.
class ToolError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace resilience::nbdcrash
