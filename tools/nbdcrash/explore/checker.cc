// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/checker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include <fmt/format.h>

#include "common/core/unique_fd.h"
#include "tools/nbdcrash/explore/spawn.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t most_output = 16384;
constexpr std::chrono::seconds orphan_limit{10};

int milliseconds_left(SteadyClock::time_point deadline)
{
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
}

/// Reads what is there.  False at the end.
bool drain(int fd, std::string& output)
{
    std::array<char, 16384> buffer;
    for (;;) {
        const auto length = ::read(fd, buffer.data(), buffer.size());
        if (length == -1) {
            return errno == EAGAIN || errno == EINTR;
        }
        if (length == 0) {
            return false;
        }
        output.append(buffer.data(), static_cast<std::size_t>(length));
        if (output.size() > most_output) {
            output.erase(0, output.size() - most_output);
        }
        if (length < static_cast<ssize_t>(buffer.size())) {
            return true;
        }
    }
}

Ended::How how_of(const siginfo_t& info, int& status)
{
    status = info.si_status;
    if (info.si_code != CLD_EXITED) {
        return Ended::How::killed;
    }
    // A shell says so of what it ran.
    if (status > 128 && status <= 128 + 64) {
        status -= 128;
        return Ended::How::killed;
    }
    return Ended::How::exited;
}

}  // namespace

bool Stop::requested() const
{
    pollfd wait{fd(), POLLIN, 0};
    return ::poll(&wait, 1, 0) == 1;
}

std::string fill_in(std::string_view command, const Placeholders& values)
{
    std::string text;
    while (!command.empty()) {
        const auto match = std::ranges::find_if(values, [&](const auto& value) {
            return command.starts_with(fmt::format("{{{}}}", value.first));
        });
        if (match == values.end()) {
            text += command.front();
            command.remove_prefix(1);
            continue;
        }
        const auto& [name, value] = *match;
        command.remove_prefix(name.size() + 2);
        text += is_plain(value) ? value : fmt::format("\"${}\"", variable_of(name));
    }
    return text;
}

void become_subreaper()
{
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) == -1) {
        throw ToolError(fmt::format("cannot become a subreaper: {}", std::strerror(errno)));
    }
}

Checker::Checker(std::string tag, const Stop& stop) : tag_(std::move(tag)), stop_(stop) {}

Ended Checker::run(std::string_view command, const Placeholders& values,
                   std::chrono::milliseconds timeout)
{
    std::array<int, 2> ends = {-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) == -1) {
        throw ToolError(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
    }
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);

    std::vector<std::string> variables = {tag_variable + ("=" + tag_)};
    for (const auto& [name, value] : values) {
        variables.push_back(fmt::format("{}={}", variable_of(name), value));
    }
    const auto begin = SteadyClock::now();
    const pid_t pid = spawn(fill_in(command, values), variables, writer.get());
    writer = UniqueFd();
    Ended ended = wait(pid, reader.get(), timeout);
    ended.seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
    if (ended.how == Ended::How::exited && (ended.status == 126 || ended.status == 127)) {
        throw ToolError(fmt::format("the checker cannot be run: status {} of: {}{}{}",
                                    ended.status, fill_in(command, values),
                                    ended.output.empty() ? "" : "\n", ended.output));
    }
    return ended;
}

Ended Checker::wait(pid_t pid, int output, std::chrono::milliseconds timeout)
{
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const auto deadline = SteadyClock::now() + timeout;
    Ended ended;
    bool open = true;
    for (;;) {
        std::array<pollfd, 3> wait = {pollfd{process.get(), POLLIN, 0},
                                      pollfd{stop_.fd(), POLLIN, 0},
                                      pollfd{open ? output : -1, POLLIN, 0}};
        const int ready = ::poll(wait.data(), wait.size(), milliseconds_left(deadline));
        if (wait[2].revents != 0) {
            open = drain(output, ended.output);
        }
        if (wait[0].revents != 0) {
            break;
        }
        if (wait[1].revents != 0 || (ready == 0 && milliseconds_left(deadline) == 0)) {
            ended.how = wait[1].revents != 0 ? Ended::How::interrupted : Ended::How::timed_out;
            break;
        }
    }
    // Its id, and so the group's, stays ours until it is reaped.
    ::kill(-pid, SIGKILL);
    siginfo_t info = {};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) == -1 && errno == EINTR) {
    }
    kill_rest();
    drain(output, ended.output);
    if (ended.how == Ended::How::exited) {
        ended.how = how_of(info, ended.status);
    }
    return ended;
}

/// What the checker has started and not ended itself.
void Checker::kill_rest() const
{
    const auto deadline = SteadyClock::now() + orphan_limit;
    while (kill_orphans() && SteadyClock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

/// Whether to look again: who has ended leaves us its children, of which the list
/// that we have read may know nothing yet.
bool Checker::kill_orphans() const
{
    // Orphans are given to the first thread of the process, and that one has no
    // other children.
    const auto self = ::getpid();
    std::ifstream list(fmt::format("/proc/self/task/{}/children", self));
    bool found = false;
    for (pid_t pid = 0; list >> pid;) {
        if (::waitpid(pid, nullptr, WNOHANG) == pid) {
            found = true;
            continue;
        }
        std::ifstream file(fmt::format("/proc/{}/environ", pid), std::ios::binary);
        const std::string environment{std::istreambuf_iterator<char>(file), {}};
        if (environment.find(tag_variable + ("=" + tag_)) != std::string::npos) {
            ::kill(pid, SIGKILL);
            found = true;
        }
    }
    return found;
}

}  // namespace resilience::nbdcrash
