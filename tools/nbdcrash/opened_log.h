// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/device/device.h"
#include "common/replay/log_file.h"
#include "common/replay/log_index.h"
#include "common/replay/timeline.h"

namespace resilience::nbdcrash {

/// What every command is told about its log.
struct LogOptions {
    std::string log;        ///< path
    bool json = false;
    bool no_index = false;  ///< neither read nor write LOG.idx
};

struct OpenedLog {
    std::shared_ptr<const writelog::LogFile> file;
    std::shared_ptr<const writelog::LogIndex> index;
};

/// Opens a log and its index.  Damage is kept in the index.  Throws LogError
/// if there is nothing to read (no superblock, no file).
OpenedLog open_log(const LogOptions& options);

/// The same, and throws LogError if the log is damaged.
OpenedLog open_whole_log(const LogOptions& options);

/// The first entry that goes beyond `size` bytes, in words; empty if none does.
std::string beyond(const OpenedLog& log, std::uint64_t size);

/// What is known of the size of the device, and how.
struct DeviceSize {
    std::uint64_t bytes = 0;
    std::string source;  ///< "--size", "the superblock", "the base", "the last byte that the log
                         ///< touches"
    bool exact = false;  ///< the device had this size; else at least
};

/// `wanted`: what --size says, or 0.  Throws ToolError if the log does not fit.
DeviceSize device_size(const OpenedLog& log, std::uint64_t wanted, const Device* base);

}  // namespace resilience::nbdcrash
