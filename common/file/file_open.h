// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "common/core/setup_error.h"
#include "common/core/unique_fd.h"
#include "common/device/open_options.h"
#include "common/file/file_look.h"

namespace resilience {

/// A regular file or a block device that was opened and looked at.
struct OpenedFile {
    UniqueFd fd;
    FileIdentity identity;
    std::uint64_t size = 0;       ///< bytes, > 0
    bool writable = false;
    bool direct = false;          ///< opened with O_DIRECT
    bool block_device = false;    ///< else a regular file
    bool in_memory = false;       ///< tmpfs, ramfs: nothing can wait, nothing to flush
    bool rotational = false;
    bool punch = false;           ///< holes can be punched (block device: zeroes offloaded)
    bool discard = false;         ///< block device: BLKDISCARD does something
    bool seek_data = false;       ///< SEEK_DATA knows where the holes are
    /// Offsets and lengths of transfers must be multiples of this (bytes).
    std::uint32_t offset_alignment = 1;
    std::uint32_t memory_alignment = 1;
    /// Block devices: what discards and offloaded zeroes must be multiples of.
    std::uint32_t logical_block = 512;
};

/// Opens `path` (absolute) and finds out what it is and can; takes the locks
/// if `options` say so.  All of it is done within options.timeout.  Throws
/// SetupError, whose text names the path and says what to do.
OpenedFile open_file(const std::string& path, const OpenOptions& options);

}  // namespace resilience
