// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/device/sync_ledger.h"
#include "common/device/unique_fd.h"
#include "filters/replication/layer_format.h"

namespace resilience::replication {

/// The map of hidden or active on disk.  Not thread-safe, but for header();
/// one user per file (the lock of the data file beside it covers the map).
class LayerMapFile {
public:
    /// Makes a map in which everything is absent: under another name first, so
    /// that it is there whole or not at all.  Throws SetupError.
    static void create(const std::string& path, const LayerHeader& header);

    /// Opens and reads the header.  Throws SetupError.
    explicit LayerMapFile(std::string path);

    const std::string& path() const { return path_; }
    const LayerHeader& header() const { return header_; }

    /// Hands all pages to `take`, which may throw Damaged.  Throws SetupError
    /// for a map that is damaged anywhere, also where it does not count.
    void load(const std::function<void(std::uint64_t page, const mapfile::Payload&)>& take);

    struct Changed {
        std::uint64_t page = 0;  ///< of states, from 0
        mapfile::Payload payload;
    };
    /// Writes pages and makes them durable.  0 or a positive errno, and then the
    /// pages on disk are the old ones or the new ones.
    int write(const std::vector<Changed>& pages);
    /// The same for the header.  After a sync that failed nothing can be written
    /// any more (see SyncLedger): nobody knows which header is on the disk.
    int write(const LayerHeader& header);

private:
    struct Slot {
        std::uint64_t generation = 0;  ///< of the page, not of its content
        unsigned slot = 0;
    };

    std::vector<std::byte> read_page(std::uint64_t page) const;
    int write_page(std::uint64_t page, const mapfile::Payload& payload);
    int sync();

    const std::string path_;
    UniqueFd fd_;
    LayerHeader header_;
    std::vector<Slot> slots_;  ///< per page of the file: where its newest content is
    SyncLedger ledger_;
};

}  // namespace resilience::replication
