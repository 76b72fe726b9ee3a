// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/server_process.h"

// Why not libnbd's own socket activation: its nbd_close waits for the child
// without a deadline, so one stopped server would hang us for ever, and it
// hides the process id that we need to end such a server.
//
// The socket's name exists only for the moment between bind and connect: we
// connect before the server runs, so our connection waits in its backlog, and
// the directory is gone before anything can crash and leave it behind.  The
// price is one connection per server; a lost connection means a new server.
//
// The server gets its own process group, so that a Ctrl-C on the terminal
// reaches only us (we still have to flush to it), and so that a wrapper script
// and what it started are ended together.

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/device/device.h"

extern char** environ;

namespace resilience {

namespace {

constexpr std::chrono::milliseconds default_limit{2000};
constexpr int listen_fd = 3;  // systemd's SD_LISTEN_FDS_START

[[noreturn]] void fail(const std::string& what)
{
    throw SetupError(fmt::format("{}: {}", what, std::strerror(errno)));
}

/// A directory that only we can enter, removed with its socket at the end of
/// the scope.
class SocketDirectory {
public:
    SocketDirectory()
    {
        const char* tmp = std::getenv("TMPDIR");
        // sun_path has 108 bytes; our part of the name needs 30.
        const bool usable = tmp && tmp[0] == '/' && std::strlen(tmp) < 70;
        std::string name = fmt::format("{}/nbdserver-XXXXXX", usable ? tmp : "/tmp");
        if (!::mkdtemp(name.data())) {
            fail(fmt::format("cannot make a directory {} for the server's socket", name));
        }
        path_ = name;
    }
    ~SocketDirectory()
    {
        ::unlink(socket().c_str());
        ::rmdir(path_.c_str());
    }
    SocketDirectory(const SocketDirectory&) = delete;
    SocketDirectory& operator=(const SocketDirectory&) = delete;
    std::string socket() const { return path_ + "/sock"; }

private:
    std::string path_;
};

struct SocketPair {
    UniqueFd listener;
    UniqueFd client;
};

SocketPair make_sockets()
{
    const SocketDirectory directory;
    SocketPair pair{UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                    UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    if (!pair.listener || !pair.client) {
        fail("cannot make a socket for the server");
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, directory.socket().c_str(), sizeof address.sun_path - 1);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(pair.listener.get(), name, sizeof address) == -1 ||
        ::listen(pair.listener.get(), 8) == -1 ||
        ::connect(pair.client.get(), name, sizeof address) == -1) {
        fail(fmt::format("cannot use the server's socket {}", directory.socket()));
    }
    return pair;
}

/// Our environment without an activation that was meant for us, and with the
/// server's.  LISTEN_PID is set by the shell, which alone knows it in time.
std::vector<char*> server_environment()
{
    static char one_socket[] = "LISTEN_FDS=1";
    std::vector<char*> result;
    for (char** e = environ; *e; ++e) {
        if (std::strncmp(*e, "LISTEN_", 7) != 0) {
            result.push_back(*e);
        }
    }
    result.push_back(one_socket);
    result.push_back(nullptr);
    return result;
}

void close_from(int first, int last)
{
#ifdef SYS_close_range
    if (::syscall(SYS_close_range, first, ~0U, 0) == 0) {
        return;
    }
#endif
    for (int fd = first; fd < last; ++fd) {
        ::close(fd);
    }
}

/// Everything that happens in the child.  Only async-signal-safe calls: we are
/// one thread of a process whose other threads may have held any lock.
[[noreturn]] void become_server(int listener, pid_t parent, const char* directory,
                                char* const* argv, char* const* envp, int max_fd)
{
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) {
        ::_exit(125);  // the parent ended before prctl: nobody would tell us
    }
    for (int signal = 1; signal < NSIG; ++signal) {
        struct sigaction action {};
        action.sa_handler = SIG_DFL;
        ::sigaction(signal, &action, nullptr);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);

    // Out of the way of fds 0..3 first, so that no dup2 closes it.
    const int high = ::fcntl(listener, F_DUPFD, 10);
    const int null = ::open("/dev/null", O_RDONLY);
    if (high == -1 || null == -1 || ::dup2(null, 0) == -1 || ::dup2(2, 1) == -1 ||
        ::dup2(high, listen_fd) == -1) {
        ::_exit(125);
    }
    close_from(listen_fd + 1, max_fd);
    if (::chdir(directory) == -1) {
        static const char text[] = "cannot enter the directory of the server's command\n";
        [[maybe_unused]] const auto n = ::write(2, text, sizeof text - 1);
        ::_exit(126);
    }
    ::execve("/bin/sh", argv, envp);
    ::_exit(127);
}

}  // namespace

ServerProcess::Started ServerProcess::start(const std::string& command,
                                            const std::string& directory)
{
    SocketPair sockets = make_sockets();
    std::string shell = "/bin/sh";
    std::string option = "-c";
    std::string script = "export LISTEN_PID=$$ && exec " + command;
    char* const argv[] = {shell.data(), option.data(), script.data(), nullptr};
    const std::vector<char*> envp = server_environment();
    const std::string where = directory.empty() ? "/" : directory;
    const int max_fd = static_cast<int>(std::min(::sysconf(_SC_OPEN_MAX), 65536L));

    // No handler of ours may run in the child before it has reset them.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        become_server(sockets.listener.get(), parent, where.c_str(), argv, envp.data(), max_fd);
    }
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid == -1) {
        errno = error;
        fail("cannot start a process for the server");
    }
    ::setpgid(pid, pid);  // whoever comes first: a signal to the group must find it
    Started started;
    started.process.pid_ = pid;
    // The server alone listens now: if it ends, our connection does too.
    sockets.listener = UniqueFd();
    started.socket = std::move(sockets.client);
    log::debug("started server process {}: {}", pid, command);
    return started;
}

ServerProcess& ServerProcess::operator=(ServerProcess&& other) noexcept
{
    if (this != &other) {
        terminate(default_limit);
        pid_ = std::exchange(other.pid_, 0);
        wait_status_ = std::exchange(other.wait_status_, std::nullopt);
    }
    return *this;
}

ServerProcess::~ServerProcess()
{
    terminate(default_limit);
}

bool ServerProcess::reap() noexcept
{
    if (pid_ == 0) {
        return true;
    }
    int status = 0;
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == pid_) {
        wait_status_ = status;
    } else if (got == 0 || errno != ECHILD) {
        return false;
    }
    // ECHILD: someone ignores SIGCHLD, and the kernel has reaped it for us.
    pid_ = 0;
    return true;
}

bool ServerProcess::wait_exit(TimePoint deadline)
{
    while (!reap()) {
        if (real_clock().now() >= deadline) {
            return false;
        }
        ::poll(nullptr, 0, 5);
    }
    return true;
}

std::string ServerProcess::exit_text() const
{
    if (pid_ != 0 || !wait_status_) {
        return {};
    }
    if (WIFEXITED(*wait_status_)) {
        const int code = WEXITSTATUS(*wait_status_);
        return fmt::format("exited with status {}{}", code,
                           code == 127 ? " (command not found)" : "");
    }
    const int signal = WTERMSIG(*wait_status_);
    return fmt::format("was killed by signal {} ({})", signal, ::strsignal(signal));
}

void ServerProcess::signal_group(int signal) const noexcept
{
    // The process is not reaped yet, so neither its id nor its group's can
    // belong to anyone else.
    if (::kill(-pid_, signal) == -1) {
        ::kill(pid_, signal);
    }
}

void ServerProcess::terminate(std::chrono::milliseconds limit) noexcept
{
    if (reap()) {
        return;
    }
    const auto now = real_clock().now();
    const pid_t pid = pid_;
    signal_group(SIGTERM);
    if (!wait_exit(now + limit / 2)) {
        log::debug("server process {} does not end; killing it", pid);
        signal_group(SIGCONT);
        signal_group(SIGKILL);
        if (!wait_exit(now + limit)) {
            // Stuck in the kernel (a dead disk, NFS).  It will die when that ends.
            log::warning("server process {} cannot be killed; leaving it behind", pid);
            pid_ = 0;
        }
    }
}

}  // namespace resilience
