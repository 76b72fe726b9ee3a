// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is in a log before we write to it: whether it may be replaced, or where
// it can be continued.

#include <cstdint>
#include <optional>
#include <string>

#include "common/format/dm_log_writes.h"
#include "filters/logwrites/log_storage.h"
#include "filters/logwrites/options.h"

namespace resilience::logwrites {

/// Where a recording begins.
struct LogStart {
    bool append = false;                 ///< behind what is there; else in its place
    std::uint32_t sector_size = writelog::smallest_sector;  ///< bytes
    std::uint64_t entries = 0;           ///< that are there already
    std::uint64_t position = 0;          ///< of the next header, bytes
    std::uint64_t sequence = 0;          ///< the highest sequence number used so far
    std::optional<writelog::SuperExtension> extension;  ///< the log's own
    std::string note;                    ///< for people: what was found; may be empty
};

/// Looks at the log without changing it.  Throws SetupError if it cannot be
/// continued (append) or does not look like something that may be overwritten.
LogStart inspect_log(LogStorage& storage, const Options& options, std::uint64_t device_size);

}  // namespace resilience::logwrites
