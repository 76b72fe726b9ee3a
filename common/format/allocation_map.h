// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The map that stands beside a sparse file (common/store/clustered_file.h): which
// clusters of it hold something, and which of these are zeroes.
//
// The map is a row of pages of 4096 bytes, each in two slots (A, B) that are
// written in turn: page 0 is the header, the others hold two bits per cluster, and
// in which generation of the states they were written.
// What a slot says is said again in each of its eight sectors: a generation,
// and a checksum over sector, place and the map's id.  So a reader can tell
//
//   a torn write   every sector of the slot is sound, but their generations
//                  differ: the write was never finished, nobody was told that
//                  it was, and the other slot holds what was there before;
//   damage         a sector that is not sound, wherever it stands.  It may have
//                  been the newest, so nothing takes its place: an error.
//
// docs/formats/allocation-map.md has the tables and a map byte by byte.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace resilience::mapfile {

/// "NBDCMAP\0" in the byte order of the disk.
constexpr std::uint64_t map_magic = 0x0050414d4344424e;
constexpr std::uint32_t map_version = 2;

constexpr std::size_t sector_bytes = 512;
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t sectors_per_page = page_bytes / sector_bytes;
/// What is left of a sector: behind it are the generation and the checksum.
constexpr std::size_t payload_of_sector = sector_bytes - 16;
constexpr std::size_t payload_of_page = payload_of_sector * sectors_per_page;
/// Before the states in a page: its generation.
constexpr std::size_t page_head = 8;
constexpr std::uint64_t clusters_per_page = (payload_of_page - page_head) * 4;

constexpr std::uint32_t smallest_cluster = 4096;       ///< bytes; a power of two
constexpr std::uint32_t largest_cluster = 2 << 20;

using PageBytes = std::array<std::byte, page_bytes>;
using Payload = std::array<std::byte, payload_of_page>;

/// What the file has of a cluster.
enum class State : std::uint8_t {
    absent = 0,  ///< nothing: the content is somewhere else
    data = 1,    ///< the content
    zero = 2,    ///< the content, and that is zeroes, in a hole
};

/// What the header says.
struct Header {
    std::string kind;                       ///< whose file this is: at most largest_kind bytes
    std::uint32_t cluster_size = 64 << 10;  ///< bytes
    std::uint64_t device_size = 0;          ///< bytes
    std::uint64_t id = 0;                   ///< random; part of every checksum
    std::uint64_t generation = 1;           ///< pages of other ones do not count
    std::vector<std::byte> owner;           ///< its own; at most largest_owner bytes

    friend bool operator==(const Header&, const Header&) = default;
};

constexpr std::size_t largest_kind = 16;
constexpr std::size_t largest_owner = payload_of_page - 64;

/// A map that cannot be used.  what() says which byte or page, and why.
class Damaged : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A map that is sound and of another version.  what() says of which.
class OtherVersion : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// How many clusters the device has; the last one may be short.
constexpr std::uint64_t count_clusters(std::uint64_t device_size, std::uint32_t cluster_size)
{
    return device_size / cluster_size + (device_size % cluster_size != 0 ? 1 : 0);
}
/// Header included.
constexpr std::uint64_t count_pages(std::uint64_t clusters)
{
    return 1 + (clusters + clusters_per_page - 1) / clusters_per_page;
}
/// Where a page's slot (0: A, 1: B) is in the file.
constexpr std::uint64_t slot_offset(std::uint64_t page, unsigned slot)
{
    return (page * 2 + slot) * page_bytes;
}
/// The only length that a map with so many pages can have.
constexpr std::uint64_t file_bytes(std::uint64_t pages) { return pages * 2 * page_bytes; }

/// Which slot of a page holds its content, and what that is.
struct Page {
    Payload payload;
    std::uint64_t generation = 0;  ///< the highest in either slot; write with a higher one
    unsigned slot = 0;
};

/// The bytes of one slot.  `generation` > 0.
void encode_slot(const Payload& payload, std::uint64_t generation, std::uint64_t id,
                 std::uint64_t page, unsigned slot, PageBytes& out);

/// Reads a page from its two slots, which stand one behind the other in
/// `slots` (2 * page_bytes).  Throws Damaged.
Page decode_page(std::span<const std::byte> slots, std::uint64_t id, std::uint64_t page);

/// The header as the payload of page 0.
Payload encode_header(const Header& header);

/// Reads the header from the first two slots of a file; `page` gets where it
/// stood.  `bytes` may be short.  Throws Damaged and OtherVersion.
Header decode_header(std::span<const std::byte> bytes, Page& page);

}  // namespace resilience::mapfile
