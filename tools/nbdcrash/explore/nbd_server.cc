// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/nbd_server.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "common/device/device.h"
#include "tools/nbdcrash/explore/spawn.h"

namespace resilience::nbdcrash {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds start_limit{10};
constexpr std::chrono::seconds stop_limit{2};
constexpr std::chrono::milliseconds look_interval{5};

}  // namespace

NbdServer::NbdServer(const std::string& file, const std::string& folder)
    : socket_(folder + "/nbd.sock"), pid_file_(folder + "/nbd.pid")
{
    // stderr is the user's: it says why it does not start.
    pid_ = spawn("exec nbdkit -f -U \"$NBDCRASH_SOCKET\" -P \"$NBDCRASH_PID_FILE\" file "
                 "\"$NBDCRASH_FILE\"",
                 {"NBDCRASH_SOCKET=" + socket_, "NBDCRASH_PID_FILE=" + pid_file_,
                  "NBDCRASH_FILE=" + file},
                 STDERR_FILENO);
    const auto deadline = SteadyClock::now() + start_limit;
    struct stat status = {};
    while (::stat(pid_file_.c_str(), &status) == -1 || status.st_size == 0) {
        const bool gone = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
        if (gone || SteadyClock::now() >= deadline) {
            if (!gone) {
                ::kill(-pid_, SIGKILL);
                ::waitpid(pid_, nullptr, 0);
            }
            throw SetupError("nbdkit, which {uri} needs, did not start (Debian: apt-get install "
                             "nbdkit)");
        }
        std::this_thread::sleep_for(look_interval);
    }
}

NbdServer::~NbdServer()
{
    ::kill(-pid_, SIGTERM);
    const auto deadline = SteadyClock::now() + stop_limit;
    while (::waitpid(pid_, nullptr, WNOHANG) != pid_) {
        if (SteadyClock::now() >= deadline) {
            ::kill(-pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            return;
        }
        std::this_thread::sleep_for(look_interval);
    }
}

std::string NbdServer::uri() const { return "nbd+unix:///?socket=" + socket_; }

}  // namespace resilience::nbdcrash
