// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A file of pages in two slots each (common/format/allocation_map.h), whatever
// its pages mean: page 0 is a header, which has the file's id, the others are the
// owner's.
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
    /// Makes a file of `pages` pages (at least 1), of which all but the header are
    /// zeroes: under another name first, so that it is there whole or not at all.
    /// Throws SetupError.
    static void create(const std::string& path, std::uint64_t id, std::uint64_t pages,
                       const mapfile::Payload& header);

    /// `advice`: what is said about a damaged file, after the damage.  Throws
    /// SetupError if it cannot be opened.
    PageFile(std::string path, std::string advice);

    const std::string& path() const { return path_; }
    /// Bytes, when it was opened.
    std::uint64_t size() const { return size_; }

    /// Reads the header, before anything else.  `decode` gets both slots (short if
    /// the file ends), says where it stood, and returns what has the id; it may
    /// throw Damaged.  Throws SetupError.
    template <typename Header>
    Header read_header(Header (*decode)(std::span<const std::byte>, mapfile::Page&))
    {
        Header header;
        read_header([&](std::span<const std::byte> bytes, mapfile::Page& page) {
            header = decode(bytes, page);
            return header.id;
        });
        return header;
    }

    /// Hands pages 1 to `count` to `take` as 0 to `count` - 1; it may throw
    /// Damaged.  Once, after the header.  Throws SetupError for a file that is
    /// damaged anywhere, also where it does not count.
    void load(std::uint64_t count,
              const std::function<void(std::uint64_t page, const mapfile::Payload&)>& take);

    struct Changed {
        std::uint64_t page = 0;  ///< as in load()
        mapfile::Payload payload;
    };
    /// Writes pages and makes them durable.  0 or a positive errno, and then the
    /// pages on disk are the old ones or the new ones.  After a sync that failed
    /// nothing can be written any more (see SyncLedger).
    int write(const std::vector<Changed>& pages);
    /// The same for the header.
    int write_header(const mapfile::Payload& header);

    /// Throws SetupError: the file is damaged, in this way.
    [[noreturn]] void fail_damaged(const std::string& what) const;

private:
    struct Slot {
        std::uint64_t generation = 0;
        unsigned slot = 0;
    };

    void read_header(
        const std::function<std::uint64_t(std::span<const std::byte>, mapfile::Page&)>& decode);
    std::vector<std::byte> read_page(std::uint64_t page) const;
    int write_page(std::uint64_t page, const mapfile::Payload& payload);
    int sync();

    const std::string path_;
    const std::string advice_;
    UniqueFd fd_;
    std::uint64_t size_ = 0;
    std::uint64_t id_ = 0;
    std::vector<Slot> slots_;  ///< per page of the file: where its newest content is
    SyncLedger ledger_;
};

}  // namespace resilience
