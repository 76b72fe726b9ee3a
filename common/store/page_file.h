// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The map beside a clustered file, on disk: pages in two slots each, a header and
// the states (common/format/allocation_map.h).
//
// A page is never written over its newest content: if that write is torn, the
// newest content is what is left.  So the other slot becomes the newest one only
// when it is durable, and not even after a failure before.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/core/setup_error.h"
#include "common/core/unique_fd.h"
#include "common/file/sync_ledger.h"
#include "common/format/allocation_map.h"

namespace resilience {

/// Not thread-safe; one user per file (the lock of the file beside it covers
/// this one).
class PageFile {
public:
    /// Makes a map of which all pages but the header are zeroes: under another name
    /// first, so that it is there whole or not at all.  Throws SetupError.
    static void create(const std::string& path, const mapfile::Header& header);

    /// Opens it and reads the header.  `lost` is said about a damaged file: what
    /// cannot be known any more, and how it may be mended; `anew` ("remove ..."): how
    /// to begin without what it has.  Throws SetupError, for a file of another
    /// version, too.
    PageFile(std::string path, std::string lost, std::string anew);

    const mapfile::Header& header() const { return header_; }

    /// Hands the pages of states to `take`, counted from 0; it may throw Damaged.
    /// Once, before anything is written.  Throws SetupError for a file that is
    /// damaged anywhere, also where it does not count.
    void load(const std::function<void(std::uint64_t page, const mapfile::Payload&)>& take);

    struct Changed {
        std::uint64_t page = 0;  ///< as in load()
        mapfile::Payload payload;
    };
    /// Writes pages and makes them durable.  0 or a positive errno, and then the
    /// pages on disk are the old ones or the new ones.  After a sync that failed
    /// nothing can be written any more (see SyncLedger).
    int write(const std::vector<Changed>& pages);
    /// The same for the header.
    int write_header(const mapfile::Header& header);

    /// Throws SetupError: the file is damaged, in this way.
    [[noreturn]] void fail_damaged(const std::string& what) const;

private:
    struct Slot {
        std::uint64_t generation = 0;
        unsigned slot = 0;
    };

    void read_header();
    std::vector<std::byte> read_page(std::uint64_t page) const;
    int write_page(std::uint64_t page, const mapfile::Payload& payload);
    int sync();

    const std::string path_;
    const std::string lost_;
    const std::string anew_;
    UniqueFd fd_;
    mapfile::Header header_;
    std::vector<Slot> slots_;  ///< per page of the file: where its newest content is
    SyncLedger ledger_;
};

}  // namespace resilience
