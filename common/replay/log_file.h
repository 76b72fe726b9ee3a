// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A dm-log-writes log, opened for reading.
//
// Logs come from kernels, from QEMU, from us, from crashed machines, and from
// whoever wants to harm: every number in them is checked before it is used,
// and nothing is taken for content that the log does not hold.  The file may
// change under us (it is being written); so it is read with pread, never
// mapped, and what is not there is an error, not a SIGBUS.
//
// A recorder replaces the superblock again and again, and the header of a flush
// when that is done; read meanwhile, it may be half of the old one and half of
// the new.  So a checksum that does not match is looked at again as long as
// somebody records into the file, before it is called damage.

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include "common/core/unique_fd.h"
#include "common/format/dm_log_writes.h"

namespace resilience::writelog {

/// A log, a point or a state cannot be used.  what() names the file, the byte
/// offset and the entry's number where there are any, and what is wrong.
class LogError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The bytes of a log, wherever they are.
class LogSource {
public:
    LogSource() = default;
    LogSource(const LogSource&) = delete;
    LogSource& operator=(const LogSource&) = delete;
    virtual ~LogSource() = default;

    const Superblock& super() const { return super_; }
    std::uint32_t sector_size() const { return super_.sector_size; }  ///< bytes
    /// Bytes; asked at opening.
    std::uint64_t size() const { return size_; }

    /// Fills `into` from byte `position`.  Throws LogError if the log ends
    /// before or cannot be read.
    virtual void read(std::uint64_t position, std::span<std::byte> into) const = 0;
    /// The entry whose header is at byte `position`.  Throws LogError.
    virtual Entry entry_at(std::uint64_t position) const;

protected:
    Superblock super_;
    std::uint64_t size_ = 0;
};

/// When the open file `fd` was changed last: nanoseconds since 1970.
std::uint64_t time_of_change(int fd);

/// All members are safe to call from any thread.
class LogFile final : public LogSource {
public:
    /// Opens `path`, a regular file or a block device, and reads the
    /// superblock.  Throws LogError if it cannot be opened, has no valid
    /// superblock, another version, or an impossible sector size.
    explicit LogFile(std::string path);

    /// Opens `path` and takes `super` for its superblock, whatever stands
    /// there: for what repairs logs.  Throws LogError if it cannot be opened.
    LogFile(std::string path, const Superblock& super);

    const std::string& path() const { return path_; }
    /// When the file was changed last, before anything of it was read:
    /// nanoseconds since 1970.
    std::uint64_t changed_ns() const { return changed_ns_; }

    void read(std::uint64_t position, std::span<std::byte> into) const override;
    /// The same as an errno, for devices: EIO where the file has ended.
    int read_or_errno(std::uint64_t position, std::span<std::byte> into) const;

    Entry entry_at(std::uint64_t position) const override;

    int fd() const { return fd_.get(); }

private:
    std::optional<Superblock> read_superblock(HeaderBytes& bytes) const;

    std::string path_;
    UniqueFd fd_;
    std::uint64_t changed_ns_ = 0;
};

}  // namespace resilience::writelog
