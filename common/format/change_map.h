// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The file of a dirty bitmap that survives its process and its machine: which
// granules of a device were written since a copy of it was last known to be
// complete.
//
// The file is a row of sectors of 512 bytes, each with a checksum over its
// content, its place and the map's id; a disk writes a sector whole.  Sectors 0
// and 1 are the header in two slots, written in turn; each further one holds
// the bits of 3968 granules, and is written in place.
//
// A bit must be in the file before the write it stands for begins.  Making every
// one of them durable would cost a sync for each, so there is a coarser mark
// above them: a *group* of 1024 granules (64 MiB at 64 KiB) is durably marked
// `open` before the first of its bits changes.  Bits are only written, which is
// enough for a killed process, whose kernel lives on; whether that is so, the
// header's boot id tells.  After a power loss, open groups are dirty as a whole.
//
// docs/formats/change-map.md has the tables and a map byte by byte.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace resilience::changemap {

/// "NBDRMAP\0" in the byte order of the disk.
constexpr std::uint64_t map_magic = 0x0050414d5244424e;
constexpr std::uint32_t map_version = 1;

constexpr std::size_t sector_bytes = 512;
constexpr std::size_t payload_bytes = sector_bytes - 8;  ///< behind it is the checksum
constexpr std::size_t words_per_sector = payload_bytes / 8 - 1;  ///< the last word: open groups
constexpr std::uint64_t granules_per_sector = words_per_sector * 64;
constexpr std::size_t words_per_group = 16;
constexpr std::size_t groups_per_sector =
    (words_per_sector + words_per_group - 1) / words_per_group;

constexpr std::uint32_t smallest_granularity = 4096;  ///< bytes; a power of two
constexpr std::uint32_t largest_granularity = 64 << 20;

using SectorBytes = std::array<std::byte, sector_bytes>;
using Uuid = std::array<std::byte, 16>;

/// What the header says.
struct Header {
    std::uint32_t granularity = 64 << 10;  ///< bytes
    std::uint64_t device_size = 0;         ///< bytes
    std::uint64_t id = 0;                  ///< random; part of every checksum
    bool clean = false;   ///< it was closed in good order: no group is open
    Uuid boot_id{};       ///< of the machine's run in which it was last opened
    Uuid pair{};          ///< of the copy that the bits are about; zeroes: none yet
    std::uint64_t checkpoint = 0;  ///< of the pair, since which the bits are collected

    friend bool operator==(const Header&, const Header&) = default;
};

/// The bits of a sector.
struct Bits {
    std::array<std::uint64_t, words_per_sector> words{};  ///< lowest granule in the lowest bit
    std::uint64_t open_groups = 0;                        ///< lowest group in the lowest bit

    friend bool operator==(const Bits&, const Bits&) = default;
};

/// A map that cannot be used.  what() says which bytes, and why.
class Damaged : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// How many granules the device has; the last one may be short.
constexpr std::uint64_t count_granules(std::uint64_t device_size, std::uint32_t granularity)
{
    return device_size / granularity + (device_size % granularity != 0 ? 1 : 0);
}
/// Sectors of bits.
constexpr std::uint64_t count_sectors(std::uint64_t granules)
{
    return (granules + granules_per_sector - 1) / granules_per_sector;
}
/// Where sector `index` of the bits is in the file.
constexpr std::uint64_t sector_offset(std::uint64_t index) { return (2 + index) * sector_bytes; }
/// The only length that a map with so many sectors of bits can have.
constexpr std::uint64_t file_bytes(std::uint64_t sectors) { return sector_offset(sectors); }

/// One slot of the header.  `generation` > 0.
SectorBytes encode_header(const Header& header, std::uint64_t generation, unsigned slot);
/// Reads the header from the first two sectors of a file (`bytes` may be
/// short).  `generation` and `slot` get where it stood.  Throws Damaged.
Header decode_header(std::span<const std::byte> bytes, std::uint64_t& generation, unsigned& slot);

SectorBytes encode_bits(const Bits& bits, std::uint64_t id, std::uint64_t index);
/// Throws Damaged.
Bits decode_bits(std::span<const std::byte> sector, std::uint64_t id, std::uint64_t index);

}  // namespace resilience::changemap
