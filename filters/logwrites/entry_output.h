// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How entries and superblocks get into the log's storage: a header filled up to a
// sector, and the body, with one write.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "common/format/dm_log_writes.h"
#include "filters/logwrites/log_storage.h"

namespace resilience::logwrites {

/// One entry to be.
struct LogItem {
    writelog::Entry entry;
    /// The body: these one behind the other, or, with `hole`, zeroes.
    std::span<const std::byte> head, middle, tail;
    bool hole = false;
};

/// Safe to call from any thread, for ranges that do not overlap.  All return 0 or a
/// positive errno and throw nothing: whoever writes has a slot in the list of those in
/// flight, and must come back to take it out.
class EntryOutput {
public:
    /// Without `extension`, that of the items is left out.
    EntryOutput(LogStorage& storage, std::uint32_t sector_size, bool extension);

    /// Writes `items` from byte `position` on; the bodies' checksums are added.
    int write(std::uint64_t position, std::span<LogItem> items) noexcept;
    int write(const writelog::Superblock& super) noexcept;
    int sync() noexcept;

private:
    int write_item(std::uint64_t position, LogItem& item);
    int write_sector(std::uint64_t position, std::span<const std::byte> header,
                     const LogItem* item);

    LogStorage& storage_;
    const std::uint32_t sector_size_;
    const bool extension_;
    const std::unique_ptr<std::byte[]> zeroes_;  ///< what fills up a header's sector
};

}  // namespace resilience::logwrites
