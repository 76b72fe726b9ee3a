// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/core/dirty_bitmap.h"

namespace resilience::replication {

/// What this side writes on its own after a failover, and what it has thrown
/// away by it: what the other side does not have, or has and must not keep.
/// Thread-safe.  Errors are positive errno values.
class ChangeNotes {
public:
    virtual ~ChangeNotes() = default;
    /// Durable before it returns; the write comes after that.
    virtual int note(ByteRange range) = 0;
    /// Nothing differs: the other side has taken it over.
    virtual int clear() = 0;
    /// Bytes per bit.
    virtual std::uint64_t granularity() const = 0;
    /// Part of the map as bytes, lowest granule in the lowest bit, from byte
    /// `offset` of it on; zeroes behind its end.
    virtual void read(std::uint64_t offset, std::span<std::byte> into) const = 0;
    /// Its length in bytes.
    virtual std::uint64_t bytes() const = 0;
    virtual std::uint64_t marked_bytes() const = 0;
};

}  // namespace resilience::replication
