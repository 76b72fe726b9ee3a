// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where the bytes of the log go: a regular file, or any other child SPEC (a
// block device, an NBD server).  They differ in what "full" means: a file
// grows until its file system is full, so room can be reserved; the others
// have a size.

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/child/child_spec.h"

namespace resilience::logwrites {

/// Positions and lengths are bytes.  All functions return 0 or a positive
/// errno, and may be called from several threads for ranges that do not
/// overlap, unless their comment says otherwise.
class LogStorage {
public:
    LogStorage() = default;
    LogStorage(const LogStorage&) = delete;
    LogStorage& operator=(const LogStorage&) = delete;
    virtual ~LogStorage() = default;

    virtual const std::string& name() const = 0;
    /// How much can be read.
    virtual std::uint64_t size() const = 0;
    /// size() is all there will ever be.
    virtual bool fixed_size() const = 0;
    /// Positions and lengths must be multiples of this.
    virtual std::uint32_t block_size() const { return 1; }

    /// EIO where the log ends before `into` is full.
    virtual int read(std::uint64_t position, std::span<std::byte> into) = 0;
    /// Writes `parts` one behind the other; as one operation where possible.
    /// `parts` is used up.
    virtual int write(std::uint64_t position, std::span<iovec> parts) = 0;
    /// Makes a range that nobody has written yet read as zeroes, without
    /// using space for it where that is possible.
    virtual int write_hole(std::uint64_t position, std::uint64_t length) = 0;

    /// Takes the space for later writes; ENOTSUP if this cannot be done here,
    /// ENOSPC if there is none.
    virtual int reserve(std::uint64_t position, std::uint64_t length) = 0;
    /// Makes a log that ends before `end` longer, by zeroes that take no space.
    /// Nobody is writing behind `end`.
    virtual void extend(std::uint64_t end) = 0;
    /// Gives reserved space back, of a range before the log's end that is to
    /// read as zeroes.
    virtual void release(std::uint64_t position, std::uint64_t length) = 0;
    /// Forgets what is behind `end`, reserved space included.  Nobody else is
    /// at work.
    virtual int cut(std::uint64_t end) = 0;
    virtual int sync() = 0;

    /// As Device::start() and stop(); nothing but name() works outside.
    virtual void start() {}
    virtual void stop(std::chrono::milliseconds limit) { (void)limit; }
};

/// Opens the log for writing.  A path that does not exist becomes an empty
/// file; existing content stays as it is.  Throws SetupError.
std::unique_ptr<LogStorage> open_log(const ChildSpec& spec,
                                     std::chrono::milliseconds timeout);

}  // namespace resilience::logwrites
