// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One submitted Request on its way through an NBD connection, as a chain of
// NBD commands of which at most one is in flight.
//
// Most requests are one command.  The others are split (a server takes at most
// its maximum block size), emulated (zeroes are written, FUA becomes a flush),
// or asked again (block status may cover less than was asked).  With one
// command in flight at a time there is exactly one place where an operation
// goes on or ends, and nothing to count.
//
// No I/O happens here: this file says what to ask next, NbdConnection asks.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "common/device/device.h"

namespace resilience {

/// What a server offers on one connection, as it said in the handshake.
struct NbdProperties {
    std::uint64_t size = 0;
    BlockLimits blocks;
    bool writable = false;
    bool rotational = false;
    bool flush = false;
    bool fua = false;
    bool zero = false;
    bool fast_zero = false;
    bool trim = false;
    bool extents = false;  ///< base:allocation was negotiated
    bool cache = false;
    bool allocation_depth = false;  ///< qemu:allocation-depth was negotiated
};

/// One NBD command.
struct NbdCommand {
    Op op = Op::flush;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool fua = false;
    bool no_hole = false;
    bool fast_zero = false;
    bool one_extent = false;
};

/// The metadata contexts that are used.
inline constexpr std::string_view allocation_context = "base:allocation";
inline constexpr std::string_view depth_context = "qemu:allocation-depth";

class NbdOperation {
public:
    NbdOperation(std::shared_ptr<Request> request, Completion done);
    NbdOperation(const NbdOperation&) = delete;
    NbdOperation& operator=(const NbdOperation&) = delete;

    /// Plans the first command; false if there is nothing to ask the server.
    bool begin(const NbdProperties& server);
    const Request& request() const { return *request_; }
    /// The planned command, or the last one.
    const NbdCommand& command() const { return command_; }
    /// Where the data of the planned read go, or of the planned write come from.
    std::byte* read_buffer() const;
    const std::byte* write_buffer() const;

    /// The server's answer to the command in flight: block status, in one of the
    /// contexts that were negotiated, ...
    void add_extents(std::string_view context, std::uint64_t offset,
                     std::span<const std::uint32_t> entries);
    /// ... or how it ended (0 or a positive errno).
    void answer(int error);
    /// The command has ended without an answer, or was never sent.
    void no_answer(int error);
    /// The last command has been.
    bool answered() const { return answered_; }

    /// Plans the next command after the last one has ended; false at the end.
    bool go_on(const NbdProperties& server);
    /// Calls the completion.
    void finish();

    NbdOperation* next = nullptr;  ///< in the list of operations whose command has ended
    bool listed = false;           ///< is in that list

private:
    bool plan(const NbdProperties& server);
    std::uint64_t piece_limit(const NbdProperties& server) const;
    void append_extent(std::uint64_t length, std::uint32_t flags);

    std::shared_ptr<Request> request_;
    Completion done_;
    NbdCommand command_;
    std::uint64_t done_bytes_ = 0;     // of the request
    std::uint64_t covered_bytes_ = 0;  // by the block status answer to the command
    int error_ = 0;
    bool answered_ = false;
    bool write_zeroes_ = false;  // zero is emulated
    bool flush_last_ = false;    // a flush is still to be sent
};

}  // namespace resilience
