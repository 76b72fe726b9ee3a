// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/spawn.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "common/core/setup_error.h"
#include "tools/nbdcrash/tool_error.h"

extern char** environ;

namespace resilience::nbdcrash {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds start_limit{10};
constexpr std::chrono::seconds stop_limit{2};
constexpr std::chrono::milliseconds look_interval{5};

bool is_plain_character(unsigned char character)
{
    return std::isalnum(character) != 0 || std::strchr("_./:=,+@%^-?#", character) != nullptr;
}

/// The words of a command that needs no shell; none if it does.
std::vector<std::string> plain_words(const std::string& command)
{
    std::vector<std::string> words;
    std::string word;
    for (const char character : command + " ") {
        if (character != ' ') {
            // '?' could be a pattern, '#' a comment: those are the shell's.
            if (!is_plain_character(static_cast<unsigned char>(character)) || character == '?' ||
                character == '#') {
                return {};
            }
            word += character;
        } else if (!word.empty()) {
            words.push_back(std::move(word));
            word.clear();
        }
    }
    const bool assigns = !words.empty() && words.front().find('=') != std::string::npos;
    return assigns ? std::vector<std::string>{} : words;
}

/// Where the program is, or empty: the path is searched before the fork, after
/// which little is allowed.
std::string find_program(const std::string& name)
{
    const auto usable = [](const std::string& path) {
        return ::access(path.c_str(), X_OK) == 0;
    };
    if (name.find('/') != std::string::npos) {
        return usable(name) ? name : "";
    }
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
    while (!rest.empty()) {
        const auto colon = rest.find(':');
        const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), name);
        if (usable(candidate)) {
            return candidate;
        }
        rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
    }
    return "";
}

std::vector<char*> pointers(std::vector<std::string>& strings)
{
    std::vector<char*> result;
    for (std::string& string : strings) {
        result.push_back(string.data());
    }
    result.push_back(nullptr);
    return result;
}

/// In the child, which borrows the parent's memory: system calls only.
[[noreturn]] void become(const char* program, char* const* words, char* const* environment,
                         int output, volatile int* error)
{
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(null, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    ::execve(program, words, environment);
    *error = errno;
    ::_exit(127);
}

}  // namespace

std::string variable_of(std::string_view placeholder)
{
    std::string name = "NBDCRASH_";
    for (const char character : placeholder) {
        name += static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
    }
    return name;
}

bool is_plain(std::string_view text)
{
    return !text.empty() && text.front() != '#' &&
           std::ranges::all_of(text, [](char c) {
               return is_plain_character(static_cast<unsigned char>(c));
           });
}

pid_t spawn(const std::string& command, const std::vector<std::string>& variables, int output)
{
    std::vector<std::string> words = plain_words(command);
    std::string program = words.empty() ? "" : find_program(words.front());
    if (program.empty()) {
        words = {"sh", "-c", command};
        program = "/bin/sh";
    }
    std::vector<std::string> settings = variables;
    for (char** setting = environ; *setting != nullptr; setting++) {
        settings.emplace_back(*setting);
    }
    const auto arguments = pointers(words);
    const auto environment = pointers(settings);
    volatile int error = 0;
    // A copy of this process, with all that it has mapped, would cost more than
    // many a check.
    const pid_t pid = ::vfork();
    if (pid == 0) {
        become(program.c_str(), arguments.data(), environment.data(), output, &error);
    }
    if (pid > 0 && error == ENOEXEC) {
        // A script that does not say what reads it.
        ::waitpid(pid, nullptr, 0);
        return spawn("exec sh " + command, variables, output);
    }
    if (pid == -1) {
        throw ToolError(fmt::format("cannot start a checker: {}", std::strerror(errno)));
    }
    return pid;
}

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
