// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Real NBD servers for tests: started here, killed at the end of the scope,
// only ever by their own process id.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/scratch.h"

namespace resilience::test {

using std::chrono::milliseconds;

/// Whether every thread of a process is stopped.
inline bool is_stopped(pid_t pid)
{
    std::error_code ignored;
    for (const auto& task : std::filesystem::directory_iterator(
             "/proc/" + std::to_string(pid) + "/task", ignored)) {
        std::ifstream file(task.path() / "stat");
        std::string text;
        std::getline(file, text);
        // The state is the word after the name, which stands in brackets.
        const auto end = text.rfind(") ");
        if (end != std::string::npos && text[end + 2] != 'T') {
            return false;
        }
    }
    return true;
}

/// SIGSTOP, and waits until it has come about.  Threads stop one by one after
/// kill() has returned, and one that has not yet may still answer a request.
inline void freeze(pid_t pid)
{
    if (::kill(pid, SIGSTOP) != 0 || !eventually([pid] { return is_stopped(pid); })) {
        throw std::runtime_error("process " + std::to_string(pid) + " does not stop");
    }
}

/// A program that we started.
class Program {
public:
    explicit Program(const std::vector<std::string>& words)
    {
        std::vector<char*> argv;
        for (const auto& word : words) {
            argv.push_back(const_cast<char*>(word.c_str()));
        }
        argv.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            const int null = ::open("/dev/null", O_RDWR);
            ::dup2(null, 0);
            ::dup2(null, 1);
            ::dup2(null, 2);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() { kill(); }

    pid_t pid() const { return pid_; }
    void signal(int number) const
    {
        if (pid_ > 0) {
            ::kill(pid_, number);
        }
    }
    void stop() const { freeze(pid_); }
    void go_on() const { signal(SIGCONT); }
    /// SIGKILL, and reaps.
    void kill()
    {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            pid_ = -1;
        }
    }

private:
    pid_t pid_ = -1;
};

inline bool can_connect_unix(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool ok = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return ok;
}

/// A TCP port that nobody listens on at the moment.
inline int free_port()
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        throw std::runtime_error("no free port");
    }
    ::close(fd);
    return ntohs(address.sin_port);
}

/// An nbdkit on a Unix socket (or whatever `listen` says), ready for clients.
class Nbdkit {
public:
    /// `words` is what comes after `nbdkit -f -U SOCKET`.
    Nbdkit(const std::string& socket, const std::vector<std::string>& words)
        : Nbdkit(socket + ".pid", {"-U", socket}, words)
    {
        socket_ = socket;
    }
    Nbdkit(const std::string& pid_file, const std::vector<std::string>& listen,
           const std::vector<std::string>& words)
        : pid_file_(remove_first(pid_file, listen)), program_(command(pid_file, listen, words))
    {
        // nbdkit writes it when it listens.
        if (!eventually([this] { return std::filesystem::exists(pid_file_); })) {
            throw std::runtime_error("nbdkit does not start");
        }
    }
    Program& program() { return program_; }
    std::string uri() const { return "nbd+unix:///?socket=" + socket_; }

private:
    static std::string remove_first(const std::string& pid_file,
                                    const std::vector<std::string>& listen)
    {
        std::filesystem::remove(pid_file);
        if (listen[0] == "-U") {
            std::filesystem::remove(listen[1]);
        }
        return pid_file;
    }
    static std::vector<std::string> command(const std::string& pid_file,
                                            const std::vector<std::string>& listen,
                                            const std::vector<std::string>& words)
    {
        std::vector<std::string> result{"nbdkit", "-f", "-P", pid_file};
        result.insert(result.end(), listen.begin(), listen.end());
        result.insert(result.end(), words.begin(), words.end());
        return result;
    }

    std::string pid_file_;
    std::string socket_;
    Program program_;
};

}  // namespace resilience::test
