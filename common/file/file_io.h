// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/device/request.h"
#include "common/file/file_open.h"
#include "common/file/sync_ledger.h"

namespace resilience {

/// Moves data between memory and an open file, whole or not at all as far as
/// the caller can tell.  Errors are positive errno values.  Thread-safe; the
/// OpenedFile must live as long as this object.
class FileIo {
public:
    explicit FileIo(const OpenedFile& file) : file_(file) {}

    /// A file that ends early (somebody truncated it) is EIO, never zeroes.
    int read(std::uint64_t offset, std::span<std::byte> into);
    /// `fua`: durable before it returns 0.
    int write(std::uint64_t offset, std::span<const std::byte> from, bool fua);
    /// Writes `length` bytes of zeroes.
    int write_zeroes(std::uint64_t offset, std::uint64_t length);
    /// Makes what was written durable.  Once it has failed it always fails
    /// (see SyncLedger).
    int sync();

    /// Whole from the page cache, or nullopt; never waits for a disk.
    std::optional<int> read_now(std::uint64_t offset, std::span<std::byte> into);
    /// Whole into the page cache, or nullopt, after which part of it may have
    /// been written: repeat it with write().
    std::optional<int> write_now(std::uint64_t offset, std::span<const std::byte> from);
    bool can_read_now() const { return !file_.direct && nowait_read_; }
    bool can_write_now() const { return !file_.direct && nowait_write_; }

    /// EIO if the file has become shorter than `end`.  Writing there would
    /// make it grow again, with zeroes in between that nobody wrote.
    int check_holds(std::uint64_t end) const;

private:
    int write_aligned(std::uint64_t offset, std::span<const std::byte> from, bool fua);
    int write_durable(std::uint64_t offset, std::span<const std::byte> from);

    const OpenedFile& file_;
    SyncLedger ledger_;
    std::atomic<bool> nowait_read_{true};   ///< until the file system says it cannot
    std::atomic<bool> nowait_write_{true};
    std::atomic<bool> dsync_{true};
};

}  // namespace resilience
