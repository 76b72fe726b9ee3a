// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Runs a checker, whatever it does: it may hang, write without end, be killed,
// start processes and leave them behind.
//
// It gets a process group of its own, which is killed as a whole when the
// checker has ended or its time is over.  What has left the group meanwhile
// (setsid) becomes a child of this process, which is a subreaper, and is found
// by a variable in its environment.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "common/thread/event_fd.h"

namespace resilience::nbdcrash {

/// How a checker ended.
struct Ended {
    enum class How : unsigned char {
        exited,       ///< with `status`
        killed,       ///< by the signal `status`; a shell's 128 + N counts as such
        timed_out,
        interrupted,  ///< we were told to stop
    };
    How how = How::exited;
    int status = 0;
    double seconds = 0;
    std::string output;  ///< the end of what it printed
};

/// Told once that everything shall end; makes waits end.  Thread-safe.
class Stop {
public:
    void request() { event_.signal(); }
    bool requested() const;
    int fd() const { return event_.get(); }  ///< readable when requested

private:
    EventFd event_;
};

/// What stands for what in a command: {dev}, {uri}, {state}, {mark}.
using Placeholders = std::vector<std::pair<std::string_view, std::string>>;

/// `command` with its placeholders filled in.  A value that a shell could
/// understand otherwise becomes a variable, "$NBDCRASH_MARK", whose value is
/// never executed; variables with all values are in the environment anyway.
std::string fill_in(std::string_view command, const Placeholders& values);

/// Makes this process the one that gets orphaned processes of checkers.
void become_subreaper();

/// One at a time for each object; `tag` is the worker's, unlike all others'.
class Checker {
public:
    Checker(std::string tag, const Stop& stop);

    /// Runs `command` by the shell, or directly if it is plain words.  Throws
    /// ToolError if it does not exist or cannot be run.
    Ended run(std::string_view command, const Placeholders& values,
              std::chrono::milliseconds timeout);

private:
    Ended wait(pid_t pid, int output, std::chrono::milliseconds timeout);
    void kill_rest() const;
    bool kill_orphans() const;

    const std::string tag_;
    const Stop& stop_;
};

}  // namespace resilience::nbdcrash
