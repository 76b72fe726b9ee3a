// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/format/dm_log_writes.h"

namespace resilience::logwrites {

/// What happens when the log cannot take an entry.
enum class WhenFull : std::uint8_t {
    error,  ///< the client's request fails
    stop,   ///< the recording ends, the device goes on without it
};

std::string_view to_string(WhenFull when_full);

/// What the filter is to do.  Parameter names are these with "logwrites-"
/// before them and '-' for '_'.
struct Options {
    /// Bytes; a power of two, 512 to 8 MiB.  Of an appended log: its own.
    std::optional<std::uint32_t> sector_size;
    bool append = false;                      ///< go on behind an existing log
    std::uint64_t super_update_interval = 4096;  ///< entries, >= 1
    WhenFull full = WhenFull::error;
    bool ext = true;                          ///< our extension in each header
    std::optional<std::uint64_t> mark_offset; ///< byte offset of the mailbox on the device
    bool sync = true;                         ///< a client's flush makes the log durable too

    /// Checks the settings against each other and against the device's size
    /// in bytes.  Throws SetupError, with QEMU's texts where QEMU has the rule.
    void check(std::uint64_t device_size) const;
};

/// Throws SetupError for a sector size that a writer of ours does not use;
/// `what` says where it comes from.
void check_sector_size(std::string_view what, std::uint64_t size);

}  // namespace resilience::logwrites
