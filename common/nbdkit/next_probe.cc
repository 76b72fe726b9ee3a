// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/next_probe.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <string_view>

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

/// What the probe process sends: less than PIPE_BUF, so it arrives whole or not
/// at all.
struct Answer {
    bool crashed = false;
    NextFacts facts;
    std::array<char, 256> culprit = {};  ///< crashed: the file of the module that did, or ""
};

// Of the probe process.  Static: their padding goes through the pipe too, as
// zeroes, and a handler of signals has nothing else.
Answer the_answer;
int answer_fd = -1;

bool send_answer() noexcept
{
    return write(answer_fd, &the_answer, sizeof the_answer) ==
           static_cast<ssize_t>(sizeof the_answer);
}

/// The innermost module of nbdkit, other than ourselves, that is on the stack.
const char* module_on_stack() noexcept
{
    void* frames[64];
    const int count = backtrace(frames, static_cast<int>(std::size(frames)));
    Dl_info self = {};
    dladdr(reinterpret_cast<void*>(&module_on_stack), &self);
    for (int i = 0; i < count; ++i) {
        Dl_info info = {};
        if (dladdr(frames[i], &info) == 0 || info.dli_fbase == self.dli_fbase) {
            continue;
        }
        const char* slash = strrchr(info.dli_fname, '/');
        const char* file = slash == nullptr ? info.dli_fname : slash + 1;
        const std::string_view name = file;
        if (name.ends_with("-plugin.so") || name.ends_with("-filter.so")) {
            return file;
        }
    }
    return "";
}

/// Says who it was, and crashes: nothing is left to lose in this process.
void note_crash(int) noexcept
{
    the_answer.crashed = true;
    strncpy(the_answer.culprit.data(), module_on_stack(), the_answer.culprit.size() - 1);
    send_answer();
}

void watch_for_crashes() noexcept
{
    void* frame = nullptr;
    backtrace(&frame, 1);  // the first call loads a library, which no handler should
    struct sigaction action = {};
    action.sa_handler = note_crash;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // what crashed crashes again, and ends us
    for (const int each : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) {
        sigaction(each, &action, nullptr);
    }
}

/// In the probe process: never returns, and never lets it run the server's
/// clean-up on its way out.
[[noreturn]] void run_probe(nbdkit_backend* backend, bool after_fork) noexcept
{
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);  // a crash is an answer here, not news
    make_input_silent();
    watch_for_crashes();

    if (after_fork && !plugin_after_fork()) {
        _exit(EXIT_FAILURE);
    }
    const NoClientScope no_client;
    nbdkit_next* next = nbdkit_next_context_open(backend, 0, "", 1);
    if (next == nullptr) {
        _exit(EXIT_FAILURE);
    }
    if (next->prepare(next) == -1 || !learn(next, the_answer.facts) || !send_answer()) {
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
            answer_fd = write_end.get();
            run_probe(backend, after_fork);
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

    std::optional<Answer> answer()
    {
        Answer answer;
        const ssize_t n = ::read(answer_.get(), &answer, sizeof answer);
        if (n == static_cast<ssize_t>(sizeof answer)) {
            return answer;
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

/// `culprit`: the file of the module that crashed, or "".
std::string why_it_failed(int status, std::string_view culprit, const ProbeUser& user)
{
    if (!WIFSIGNALED(status)) {
        return "see its own messages, if any, above";
    }
    std::string text = fmt::format("it crashed ({})", strsignal(WTERMSIG(status)));
    if (!culprit.empty()) {
        text += fmt::format(" in {}", culprit);
    }
    if (culprit.ends_with("-plugin.so")) {
        text += ", which was given no export name: a plugin that chooses its content by one (such "
                "as 'file dir=') cannot be below this filter";
    } else if (!culprit.empty()) {
        text += ", which cannot be opened without a client";
    }
    return text + (user.alternative.empty() ? "" : "; ") + user.alternative;
}

Outcome ask(nbdkit_backend* backend, const ProbeUser& user, bool after_fork,
            std::chrono::milliseconds limit)
{
    const auto deadline = Clock::now() + limit;
    Probe probe(backend, after_fork);
    if (!probe.wait(deadline)) {
        return {std::nullopt, fmt::format("it has not answered within {} ms", limit.count())};
    }
    const auto answer = probe.answer();
    if (!answer || answer->crashed) {
        const char* culprit = answer ? answer->culprit.data() : "";
        return {std::nullopt, why_it_failed(probe.reap(), culprit, user)};
    }
    // What is left is closing.  A plugin that hangs or crashes there has given
    // its answers all the same.
    if (probe.wait(deadline) && probe.reap() != 0) {
        log::debug("{}: the plugin below the filter failed while it was closed", user.name);
    }
    return {answer->facts, {}};
}

}  // namespace

NextFacts probe_next(nbdkit_backend* backend, const ProbeUser& user,
                     std::chrono::milliseconds limit)
{
    // First without .after_fork, which may have effects that nobody wants
    // twice; a plugin that cannot be opened like that may well hang instead of
    // saying so, therefore only a part of the time is spent on it.
    const bool may_need_after_fork = plugin_needs_after_fork();
    const auto first = may_need_after_fork ? limit / 4 : limit;
    Outcome outcome = ask(backend, user, false, first);
    if (!outcome.facts && may_need_after_fork) {
        outcome = ask(backend, user, true, limit - first);
    }
    if (!outcome.facts) {
        throw SetupError(fmt::format(
            "{}: child 0, what is below the filter, could not be opened: {}", user.name,
            outcome.failure));
    }
    return *outcome.facts;
}

}  // namespace resilience
