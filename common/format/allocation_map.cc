// SPDX-License-Identifier: BSD-3-Clause
#include "common/format/allocation_map.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>
#include <xxhash.h>

#include "common/format/little_endian.h"

namespace resilience::mapfile {
namespace {

// In bytes from the start of a sector.
namespace sector_at {
constexpr std::size_t generation = payload_of_sector;
constexpr std::size_t hash = generation + 8;
}  // namespace sector_at

// In bytes from the start of the header's payload.
namespace header_at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 8;
constexpr std::size_t cluster_size = 12;
constexpr std::size_t device_size = 16;
constexpr std::size_t id = 24;
constexpr std::size_t generation = 32;
constexpr std::size_t kind = 40;
constexpr std::size_t owner_length = 56;
constexpr std::size_t reserved = 60;
constexpr std::size_t owner = 64;
}  // namespace header_at

static_assert(sector_at::hash + 8 == sector_bytes);
static_assert(header_at::kind + largest_kind == header_at::owner_length);
static_assert(header_at::reserved + 4 == header_at::owner);
static_assert(header_at::owner + largest_owner == payload_of_page);

/// "NBDRLAY\0": what replication's files began with before there was one format.
constexpr std::uint64_t old_layer_magic = 0x0059414c5244424e;

const char slot_names[] = {'A', 'B'};

/// The place and the map's id are in the seed: a sound sector of another map,
/// or one that was written to the wrong place, is not sound here.
std::uint64_t hash_sector(std::span<const std::byte> sector, std::uint64_t id, std::uint64_t page,
                          unsigned slot, std::size_t number)
{
    const std::uint64_t place = (page * 2 + slot) * sectors_per_page + number;
    return XXH3_64bits_withSeed(sector.data(), sector_at::hash, id + place * 0x9e3779b97f4a7c15);
}

struct Slot {
    Payload payload;
    std::uint64_t generation = 0;
    bool torn = false;  ///< sound sectors of different generations
};

Slot decode_slot(std::span<const std::byte> bytes, std::uint64_t id, std::uint64_t page,
                 unsigned slot)
{
    Slot result;
    for (std::size_t i = 0; i < sectors_per_page; i++) {
        const auto sector = bytes.subspan(i * sector_bytes, sector_bytes);
        const auto generation = get_le<std::uint64_t>(sector, sector_at::generation);
        if (generation == 0 ||
            get_le<std::uint64_t>(sector, sector_at::hash) !=
                hash_sector(sector, id, page, slot, i)) {
            const std::uint64_t at = slot_offset(page, slot) + i * sector_bytes;
            throw Damaged(fmt::format("page {}{}, slot {}: the checksum of bytes {} to {} is wrong",
                                      page, page == 0 ? " (the header)" : "", slot_names[slot], at,
                                      at + sector_bytes - 1));
        }
        result.torn = result.torn || (i > 0 && generation != result.generation);
        result.generation = std::max(result.generation, generation);
        std::ranges::copy(sector.first(payload_of_sector),
                          result.payload.begin() + static_cast<std::ptrdiff_t>(
                                                       i * payload_of_sector));
    }
    return result;
}

/// Of the two slots of a page, the one that counts.
Page choose(const Slot& a, const Slot& b, std::uint64_t page)
{
    if (a.torn && b.torn) {
        throw Damaged(fmt::format("page {}: both slots are half-written", page));
    }
    if (!a.torn && !b.torn && a.generation == b.generation) {
        throw Damaged(fmt::format("page {}: both slots have the generation {}", page,
                                  a.generation));
    }
    const bool use_b = a.torn || (!b.torn && b.generation > a.generation);
    const Slot& chosen = use_b ? b : a;
    // The next one must be newer than anything that a torn slot has, or its own
    // tear could look whole.
    return {chosen.payload, std::max(a.generation, b.generation), use_b ? 1U : 0U};
}

void check_header(const Header& h, std::uint32_t owner_length)
{
    if (!std::has_single_bit(h.cluster_size) || h.cluster_size < smallest_cluster ||
        h.cluster_size > largest_cluster) {
        throw Damaged(fmt::format("the header's cluster size is {}", h.cluster_size));
    }
    if (h.device_size == 0 || h.device_size > (std::uint64_t{1} << 62)) {
        throw Damaged(fmt::format("the header's device size is {}", h.device_size));
    }
    if (h.generation == 0) {
        throw Damaged("the header's generation is 0");
    }
    if (owner_length > largest_owner) {
        throw Damaged(fmt::format("the owner's part of the header has {} bytes", owner_length));
    }
}

}  // namespace

void encode_slot(const Payload& payload, std::uint64_t generation, std::uint64_t id,
                 std::uint64_t page, unsigned slot, PageBytes& out)
{
    for (std::size_t i = 0; i < sectors_per_page; i++) {
        const auto sector = std::span(out).subspan(i * sector_bytes, sector_bytes);
        std::ranges::copy(std::span(payload).subspan(i * payload_of_sector, payload_of_sector),
                          sector.begin());
        put_le(sector, sector_at::generation, generation);
        put_le(sector, sector_at::hash, hash_sector(sector, id, page, slot, i));
    }
}

Page decode_page(std::span<const std::byte> slots, std::uint64_t id, std::uint64_t page)
{
    const Slot a = decode_slot(slots.first(page_bytes), id, page, 0);
    const Slot b = decode_slot(slots.subspan(page_bytes, page_bytes), id, page, 1);
    return choose(a, b, page);
}

Payload encode_header(const Header& header)
{
    Payload out{};
    put_le(out, header_at::magic, map_magic);
    put_le(out, header_at::version, map_version);
    put_le(out, header_at::cluster_size, header.cluster_size);
    put_le(out, header_at::device_size, header.device_size);
    put_le(out, header_at::id, header.id);
    put_le(out, header_at::generation, header.generation);
    put_text(std::span(out).subspan(header_at::kind, largest_kind), header.kind);
    const std::size_t length = std::min(header.owner.size(), largest_owner);
    put_le(out, header_at::owner_length, static_cast<std::uint32_t>(length));
    std::copy_n(header.owner.begin(), length, out.begin() + header_at::owner);
    return out;
}

Header decode_header(std::span<const std::byte> bytes, Page& page)
{
    if (bytes.size() < 2 * page_bytes) {
        throw Damaged(fmt::format("it has {} bytes, the header alone has {}", bytes.size(),
                                  2 * page_bytes));
    }
    // The id is part of the checksum and stands in the first sector of both
    // slots; it is as good as that sector's checksum says.
    const auto magic = get_le<std::uint64_t>(bytes, header_at::magic);
    if (magic != map_magic && magic != old_layer_magic) {
        throw Damaged("bytes 0 to 7 are not the magic number of a map");
    }
    const auto id = get_le<std::uint64_t>(bytes, header_at::id);
    page = decode_page(bytes, id, 0);

    const std::span<const std::byte> payload = page.payload;
    const auto version = get_le<std::uint32_t>(payload, header_at::version);
    if (version != map_version || get_le<std::uint64_t>(payload, header_at::magic) != map_magic) {
        throw OtherVersion(
            fmt::format("its format has the version {}, known is {}", version, map_version));
    }
    Header header;
    header.cluster_size = get_le<std::uint32_t>(payload, header_at::cluster_size);
    header.device_size = get_le<std::uint64_t>(payload, header_at::device_size);
    header.id = id;
    header.generation = get_le<std::uint64_t>(payload, header_at::generation);
    header.kind = get_text(payload.subspan(header_at::kind, largest_kind));
    const auto length = get_le<std::uint32_t>(payload, header_at::owner_length);
    check_header(header, length);
    const auto owner = payload.subspan(header_at::owner, length);
    header.owner.assign(owner.begin(), owner.end());
    return header;
}

}  // namespace resilience::mapfile
