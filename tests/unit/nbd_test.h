// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the tests of NbdDevice share.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/nbd/nbd_device.h"
#include "tests/unit/real_server.h"

namespace resilience::test {

constexpr std::uint64_t mebibyte = 1024 * 1024;

inline NbdTarget uri_spec(const std::string& uri)
{
    return {.text = uri, .address = uri, .command = false, .directory = {}};
}

inline NbdTarget command_spec(const std::string& command, const std::string& directory = "/tmp")
{
    return {.text = "[ " + command + " ]",
            .address = command,
            .command = true,
            .directory = directory};
}

inline OpenOptions quick(milliseconds timeout = milliseconds(5000))
{
    OpenOptions options;
    options.timeout = timeout;
    return options;
}

/// Opened and started.
inline std::shared_ptr<Device> started(const NbdTarget& spec, const OpenOptions& options = quick())
{
    auto device = open_nbd_child(spec, options);
    device->start();
    return device;
}

/// The text of the SetupError that opening `spec` throws; empty if none.
inline std::string open_error(const NbdTarget& spec, const OpenOptions& options = quick())
{
    try {
        open_nbd_child(spec, options);
    } catch (const SetupError& error) {
        return error.what();
    }
    return {};
}

/// A request that owns its buffer.
struct Buffered {
    Request request;
    std::vector<std::byte> data;
};

inline std::shared_ptr<Request> make_request(Op op, std::uint64_t offset, std::uint64_t length,
                                             std::byte fill = std::byte{0}, Flags flags = {})
{
    auto b = std::make_shared<Buffered>();
    b->request.op = op;
    b->request.flags = flags;
    b->request.offset = offset;
    b->request.length = length;
    if (op == Op::read || op == Op::write) {
        b->data.assign(length, fill);
        b->request.into = op == Op::read ? std::span(b->data) : std::span<std::byte>();
        b->request.from = op == Op::write ? std::span<const std::byte>(b->data)
                                          : std::span<const std::byte>();
    }
    return {b, &b->request};
}

inline int run(Device& device, Op op, std::uint64_t offset, std::uint64_t length,
               std::byte fill = std::byte{0}, Flags flags = {})
{
    return device.execute(*make_request(op, offset, length, fill, flags));
}

/// Reads a range; empty on an error or if its bytes are not all the same.
inline std::string content(Device& device, std::uint64_t offset, std::uint64_t length)
{
    const auto request = make_request(Op::read, offset, length, std::byte{0xee});
    if (const int error = device.execute(*request)) {
        return "error " + std::to_string(error);
    }
    for (const auto b : request->into) {
        if (b != request->into[0]) {
            return "mixed";
        }
    }
    return std::to_string(std::to_integer<int>(request->into[0]));
}

/// Counts completions, by result.
class Tally {
public:
    Completion completion()
    {
        ++submitted;
        auto called = std::make_shared<std::atomic<int>>(0);
        return [this, called](int error) {
            if (called->fetch_add(1) != 0) {
                ++twice;
            }
            const std::lock_guard lock(mutex_);
            ++ended;
            last_error = error;
            ++(error == 0 ? good : bad);
            changed_.notify_all();
        };
    }
    bool all_ended(milliseconds limit = milliseconds(20000))
    {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, [this] { return ended == submitted; });
    }

    std::atomic<int> submitted{0};
    std::atomic<int> twice{0};
    std::atomic<int> ended{0}, good{0}, bad{0}, last_error{0};

private:
    std::mutex mutex_;
    std::condition_variable changed_;
};

}  // namespace resilience::test
