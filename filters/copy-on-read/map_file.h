// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/device/sync_ledger.h"
#include "common/device/unique_fd.h"
#include "common/format/allocation_map.h"
#include "filters/copy-on-read/cluster_map.h"

namespace resilience::cor {

/// The map on disk.  Not thread-safe; one user per file (the lock of the copy
/// beside it covers the map).
class MapFile {
public:
    /// Makes a map in which everything is absent: under another name first, so
    /// that it is there whole or not at all.  Throws SetupError.
    static void create(const std::string& path, const mapfile::Header& header);

    /// Opens and reads the header.  Throws SetupError.
    explicit MapFile(std::string path);

    const mapfile::Header& header() const { return header_; }
    /// Reads all pages.  Throws SetupError for a map that is damaged.
    void load(ClusterMap& map);

    /// Writes what has changed, and makes it durable.  What the states stand
    /// for must be durable already; see LocalCopy::sync().  Positive errno on
    /// failure; the pages stay dirty then.
    struct Changed {
        std::uint64_t page = 0;  ///< of ClusterMap
        mapfile::Payload payload;
    };
    int write(const std::vector<Changed>& pages);
    /// The same for the header.
    int write(const mapfile::Header& header);

private:
    struct Slot {
        std::uint64_t generation = 0;
        unsigned slot = 0;
    };

    std::vector<std::byte> read_page(std::uint64_t page) const;
    int write_page(std::uint64_t page, const mapfile::Payload& payload);
    int sync();

    const std::string path_;
    UniqueFd fd_;
    mapfile::Header header_;
    std::vector<Slot> slots_;  ///< per page of the file: where its newest content is
    SyncLedger ledger_;
};

}  // namespace resilience::cor
