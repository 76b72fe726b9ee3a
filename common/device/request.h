// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace resilience {

/// What a Request asks of a Device.  The names are those of the NBD protocol.
enum class Op : std::uint8_t { read, write, flush, zero, trim, cache, extents };

/// The operation's name as it stands in logs, events and JSON ("read", ...).
std::string_view to_string(Op op);

/// Modifiers of a Request; each is meaningful only where its comment says so.
struct Flags {
    bool fua = false;         ///< write, zero, trim: durable before success is reported.
    bool may_trim = false;    ///< zero: the range may be unmapped (NBD: NO_HOLE absent).
    bool fast_zero = false;   ///< zero: ENOTSUP, with nothing changed, unless faster than writing.
    bool one_extent = false;  ///< extents: the first extent is enough (NBD: REQ_ONE).
    /// extents: not what is allocated, but in which layer (Extent::depth); ENOTSUP
    /// from a device that does not know.
    bool allocation_depth = false;

    friend bool operator==(const Flags&, const Flags&) = default;
};

/// One piece of a block-status answer.  Extents of a list are contiguous; the
/// first one starts at the request's offset.
struct Extent {
    std::uint64_t length = 0;  ///< bytes, > 0
    bool hole = false;         ///< not allocated
    bool zero = false;         ///< reads as zeroes
    std::uint32_t depth = 0;   ///< with Flags::allocation_depth: 1 is the top layer, 0 none

    friend bool operator==(const Extent&, const Extent&) = default;
};
using ExtentList = std::vector<Extent>;

/// One operation on a Device.
///
/// A Request that is submitted may outlive its caller: a child that hangs
/// answers late or never, and its caller has long gone on with the other
/// children.  Such a request must not point into its caller's memory, so
/// `owner` keeps alive whatever `into` or `from` point at.  A Request that is
/// only executed on the caller's own thread can leave it empty.
struct Request {
    Op op = Op::read;
    Flags flags;
    std::uint64_t offset = 0;            ///< bytes from the start of the device
    std::uint64_t length = 0;            ///< bytes; 0 only for flush
    std::span<std::byte> into;           ///< read: where the data go; exactly `length` bytes
    std::span<const std::byte> from;     ///< write: the data; exactly `length` bytes
    std::shared_ptr<const void> owner;   ///< keeps `into` / `from` alive while in flight
    ExtentList extents;                  ///< extents: the answer
    /// When a part of it was answered last (of steady_clock); null: nobody asks.
    std::shared_ptr<std::atomic<std::chrono::steady_clock::rep>> answered_at = {};

    std::uint64_t end() const { return offset + length; }
};

/// Whether the operation changes the content of the device.
constexpr bool modifies(Op op) { return op == Op::write || op == Op::zero || op == Op::trim; }

}  // namespace resilience
