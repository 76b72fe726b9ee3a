// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <sys/types.h>

#include "common/core/setup_error.h"
#include "common/core/unique_fd.h"
#include "common/thread/clock.h"

namespace resilience {

/// An NBD server that we started from a `[ COMMAND ]`, by systemd socket
/// activation.  Owned by one thread, which must live as long as the server
/// does: the server is told by the kernel to end when that thread ends.
class ServerProcess {
public:
    /// A new server, and a connection to it that already waits in its backlog.
    struct Started;

    /// Runs `command` (a shell command line) in `directory`.  Does not wait for
    /// the server to answer.  Throws SetupError if no process can be made; a
    /// command that does not exist shows as an exit with status 127.
    static Started start(const std::string& command, const std::string& directory);

    ServerProcess() = default;
    ServerProcess(ServerProcess&& other) noexcept { *this = std::move(other); }
    ServerProcess& operator=(ServerProcess&& other) noexcept;
    /// Terminates the server, within about two seconds.
    ~ServerProcess();

    /// The server's process id, or 0 when there is none (never started, reaped).
    pid_t pid() const { return pid_; }

    /// Waits until `deadline` for the server to end by itself, and reaps it.
    bool wait_exit(TimePoint deadline);
    /// How it ended ("exited with status 1", "was killed by signal 9 (...)"),
    /// or empty while it runs.
    std::string exit_text() const;

    /// Ends the server and everything in its process group: SIGTERM, and if it
    /// is not gone after half of `limit`, SIGKILL, which ends a stopped process
    /// too.  Returns when it is reaped or `limit` is over.
    void terminate(std::chrono::milliseconds limit) noexcept;

private:
    void signal_group(int signal) const noexcept;
    bool reap() noexcept;

    pid_t pid_ = 0;
    std::optional<int> wait_status_;
};

struct ServerProcess::Started {
    ServerProcess process;
    UniqueFd socket;
};

}  // namespace resilience
