// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/next_probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/setup_error.h"
#include "common/core/unique_fd.h"
#include "common/nbdkit/plugin_hooks.h"

namespace resilience {
namespace {

using Clock = std::chrono::steady_clock;

/// Until the server serves, nbdkit_nanosleep takes descriptor 0 for the pipe by
/// which the server is told to end, and aborts when it is readable, as /dev/null
/// is.  Here it never is.  (A plugin or filter may sleep while it is opened.)
void make_input_silent() noexcept
{
    const int silent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (silent > STDIN_FILENO) {
        dup2(silent, STDIN_FILENO);
        close(silent);
    }
}

/// In the probe process: never returns, and never lets it run the server's
/// clean-up on its way out.
[[noreturn]] void run_probe(nbdkit_backend* backend, bool after_fork, int answer_fd) noexcept
{
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);  // a crash is an answer here, not news
    make_input_silent();

    if (after_fork && !plugin_after_fork()) {
        _exit(EXIT_FAILURE);
    }
    nbdkit_next* next = nbdkit_next_context_open(backend, 0, "", 1);
    if (next == nullptr) {
        _exit(EXIT_FAILURE);
    }
    static NextFacts facts;  // static: its padding goes through the pipe too, as zeroes
    if (next->prepare(next) == -1 || !learn(next, facts)) {
        _exit(EXIT_FAILURE);
    }
    // Less than PIPE_BUF, so it arrives whole or not at all.
    if (write(answer_fd, &facts, sizeof facts) != static_cast<ssize_t>(sizeof facts)) {
        _exit(EXIT_FAILURE);
    }
    if (next->finalize(next) == 0) {
        nbdkit_next_context_close(next);
    }
    _exit(EXIT_SUCCESS);
}

/// Waits until `fd` is readable or `deadline`.
bool wait_readable(int fd, Clock::time_point deadline)
{
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd entry = {fd, POLLIN, 0};
        const int ready = poll(&entry, 1, static_cast<int>(std::max<long>(0, left)));
        if (ready > 0) {
            return true;
        }
        if (ready == 0 || errno != EINTR) {
            return false;
        }
    }
}

/// The process that asks; killed if it is still there when we leave.
class Probe {
public:
    Probe(nbdkit_backend* backend, bool after_fork)
    {
        int fds[2];
        if (pipe2(fds, O_CLOEXEC) == -1) {
            throw SetupError(fmt::format("cannot create a pipe: {}", strerror(errno)));
        }
        answer_ = UniqueFd(fds[0]);
        const UniqueFd write_end(fds[1]);
        pid_ = fork();
        if (pid_ == -1) {
            throw SetupError(fmt::format("cannot fork: {}", strerror(errno)));
        }
        if (pid_ == 0) {
            run_probe(backend, after_fork, write_end.get());
        }
    }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    ~Probe()
    {
        if (!reaped_) {
            kill(pid_, SIGKILL);
            reap();
        }
    }

    /// True if it has sent its answer or has ended; false at `deadline`.
    bool wait(Clock::time_point deadline) { return wait_readable(answer_.get(), deadline); }

    std::optional<NextFacts> answer()
    {
        NextFacts facts;
        const ssize_t n = ::read(answer_.get(), &facts, sizeof facts);
        if (n == static_cast<ssize_t>(sizeof facts)) {
            return facts;
        }
        return std::nullopt;
    }

    /// How it ended, once it has: its end of the pipe is closed.
    int reap()
    {
        int status = 0;
        while (waitpid(pid_, &status, 0) == -1 && errno == EINTR) {
        }
        reaped_ = true;
        return status;
    }

private:
    UniqueFd answer_;
    pid_t pid_ = -1;
    bool reaped_ = false;
};

struct Outcome {
    std::optional<NextFacts> facts;
    std::string failure;  ///< why there are none
};

std::string why_it_failed(int status, const ProbeUser& user)
{
    if (!WIFSIGNALED(status)) {
        return "see the plugin's own messages, if any, above";
    }
    const std::string instead =
        user.alternative.empty() ? std::string() : fmt::format("; {}", user.alternative);
    return fmt::format(
        "it crashed ({}): plugins that choose their content by export name (such as "
        "'file dir=') cannot be below this filter{}",
        strsignal(WTERMSIG(status)), instead);
}

Outcome ask(nbdkit_backend* backend, const ProbeUser& user, bool after_fork,
            std::chrono::milliseconds limit)
{
    const auto deadline = Clock::now() + limit;
    Probe probe(backend, after_fork);
    if (!probe.wait(deadline)) {
        return {std::nullopt, fmt::format("it has not answered within {} ms", limit.count())};
    }
    const auto facts = probe.answer();
    if (!facts) {
        return {std::nullopt, why_it_failed(probe.reap(), user)};
    }
    // What is left is closing.  A plugin that hangs or crashes there has given
    // its answers all the same.
    if (probe.wait(deadline) && probe.reap() != 0) {
        log::debug("{}: the plugin below the filter failed while it was closed", user.name);
    }
    return {facts, {}};
}

}  // namespace

NextFacts probe_next(nbdkit_backend* backend, const ProbeUser& user,
                     std::chrono::milliseconds limit)
{
    // First without .after_fork, which may have effects that nobody wants
    // twice; a plugin that cannot be opened like that may well hang instead of
    // saying so, therefore only a part of the time is spent on it.
    const bool has_after_fork = plugin_has_after_fork();
    const auto first = has_after_fork ? limit / 4 : limit;
    Outcome outcome = ask(backend, user, false, first);
    if (!outcome.facts && has_after_fork) {
        outcome = ask(backend, user, true, limit - first);
    }
    if (!outcome.facts) {
        throw SetupError(fmt::format(
            "{}: child 0, the plugin below the filter, could not be opened: {}", user.name,
            outcome.failure));
    }
    return *outcome.facts;
}

}  // namespace resilience
