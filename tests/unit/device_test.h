// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the tests of devices share: temporary folders, requests, processes.

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/device/device.h"
#include "tests/unit/scratch.h"

namespace device_test {

using namespace std::chrono_literals;
using resilience::Device;
using resilience::Flags;
using resilience::Op;
using resilience::Request;
using resilience::test::eventually;
using resilience::test::TemporaryFolder;
using Bytes = std::vector<std::byte>;

/// A child process, killed at the end.
class Process {
public:
    explicit Process(const std::vector<std::string>& command)
    {
        std::vector<char*> argv;
        for (const auto& word : command) {
            argv.push_back(const_cast<char*>(word.c_str()));
        }
        argv.push_back(nullptr);
        if (posix_spawnp(&pid_, argv[0], nullptr, nullptr, argv.data(), environ) != 0) {
            throw std::runtime_error("cannot start " + command[0]);
        }
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { kill_and_wait(); }
    void signal(int number) const { ::kill(pid_, number); }
    void kill_and_wait()
    {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
            pid_ = -1;
        }
    }
    /// Waits until it ends by itself.
    void wait()
    {
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
};

struct Output {
    int status = -1;
    std::string text;  ///< stdout and stderr
};

/// Runs a shell command to its end.
inline Output run(const std::string& command)
{
    Output output;
    FILE* pipe = popen(("timeout 30 sh -c '" + command + "' 2>&1").c_str(), "r");
    if (!pipe) {
        return output;
    }
    char buffer[4096];
    while (const auto n = fread(buffer, 1, sizeof buffer, pipe)) {
        output.text.append(buffer, n);
    }
    const int status = pclose(pipe);
    output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return output;
}

inline bool have_program(const std::string& name)
{
    return run("command -v " + name).status == 0;
}

inline Bytes pattern(std::size_t size, unsigned seed)
{
    Bytes bytes(size);
    for (auto& byte : bytes) {
        seed = seed * 1103515245U + 12345U;
        byte = std::byte(1 + (seed >> 16) % 255);  // never zero
    }
    return bytes;
}

inline void make_file(const std::string& path, const Bytes& content)
{
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
}

inline Bytes content_of(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return {data, data + text.size()};
}

inline Request simple(Op op, std::uint64_t offset, std::uint64_t length, Flags flags = {})
{
    Request request;
    request.op = op;
    request.offset = offset;
    request.length = length;
    request.flags = flags;
    return request;
}

inline Request reading(std::uint64_t offset, Bytes& into)
{
    Request request = simple(Op::read, offset, into.size());
    request.into = into;
    return request;
}

inline Request writing(std::uint64_t offset, const Bytes& from, Flags flags = {})
{
    Request request = simple(Op::write, offset, from.size(), flags);
    request.from = from;
    return request;
}

inline int perform(Device& device, Request request) { return device.execute(request); }

/// The content of a whole device.
inline Bytes read_all(Device& device)
{
    Bytes bytes(device.size());
    if (const int error = perform(device, reading(0, bytes))) {
        throw std::runtime_error("read: errno " + std::to_string(error));
    }
    return bytes;
}

/// Receives a completion.
class Result {
public:
    resilience::Completion completion()
    {
        return [state = state_](int error) {
            const std::lock_guard lock(state->mutex);
            state->error = error;
            ++state->calls;
            state->changed.notify_all();
        };
    }
    std::optional<int> wait(std::chrono::milliseconds limit = 20s)
    {
        std::unique_lock lock(state_->mutex);
        state_->changed.wait_for(lock, limit, [this] { return state_->calls > 0; });
        return state_->calls > 0 ? std::optional(state_->error) : std::nullopt;
    }
    int calls() const
    {
        const std::lock_guard lock(state_->mutex);
        return state_->calls;
    }

private:
    struct State {
        std::mutex mutex;
        std::condition_variable changed;
        int error = -1;
        int calls = 0;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace device_test
