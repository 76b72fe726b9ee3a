// SPDX-License-Identifier: BSD-3-Clause
#include "common/format/allocation_map.h"

#include <algorithm>
#include <bit>
#include <cstring>

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
constexpr std::size_t flags = 32;
constexpr std::size_t source_length = 36;
constexpr std::size_t fingerprint = 40;
constexpr std::size_t reserved = 48;
constexpr std::size_t source = 64;
}  // namespace header_at

static_assert(sector_at::hash + 8 == sector_bytes);
static_assert(header_at::reserved + 16 == header_at::source);
static_assert(header_at::source + largest_source == payload_of_page);

enum HeaderFlag : std::uint32_t { flag_complete = 1, flag_fingerprint = 2 };

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
            throw Damaged(fmt::format("page {} ({}), slot {}: the checksum of bytes {} to {} is "
                                      "wrong",
                                      page, page == 0 ? "the header" : "states of clusters",
                                      slot_names[slot], at, at + sector_bytes - 1));
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

void check_header(const Header& h, std::uint32_t flags)
{
    if (!std::has_single_bit(h.cluster_size) || h.cluster_size < smallest_cluster ||
        h.cluster_size > largest_cluster) {
        throw Damaged(fmt::format("the header's cluster size is {}", h.cluster_size));
    }
    if (h.device_size == 0 || h.device_size > (std::uint64_t{1} << 62)) {
        throw Damaged(fmt::format("the header's device size is {}", h.device_size));
    }
    if ((flags & ~(flag_complete | flag_fingerprint)) != 0) {
        throw Damaged(fmt::format("the header has flags that this version does not know ({:#x}): "
                                  "it was written by a newer one",
                                  flags));
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
    put_le(out, header_at::flags,
           (header.complete ? flag_complete : 0U) | (header.fingerprint ? flag_fingerprint : 0U));
    const std::size_t length = std::min(header.source.size(), largest_source);
    put_le(out, header_at::source_length, static_cast<std::uint32_t>(length));
    put_le(out, header_at::fingerprint, header.fingerprint.value_or(0));
    put_text(std::span(out).subspan(header_at::source), header.source);
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
    if (get_le<std::uint64_t>(bytes, header_at::magic) != map_magic) {
        throw Damaged("bytes 0 to 7 are not the magic number of a map");
    }
    const auto version = get_le<std::uint32_t>(bytes, header_at::version);
    if (version != map_version) {
        throw Damaged(fmt::format("bytes 8 to 11: its version is {}, known is {}", version,
                                  map_version));
    }
    const auto id = get_le<std::uint64_t>(bytes, header_at::id);
    page = decode_page(bytes, id, 0);

    const std::span<const std::byte> payload = page.payload;
    Header header;
    const auto flags = get_le<std::uint32_t>(payload, header_at::flags);
    header.cluster_size = get_le<std::uint32_t>(payload, header_at::cluster_size);
    header.device_size = get_le<std::uint64_t>(payload, header_at::device_size);
    header.id = id;
    header.complete = (flags & flag_complete) != 0;
    if ((flags & flag_fingerprint) != 0) {
        header.fingerprint = get_le<std::uint64_t>(payload, header_at::fingerprint);
    }
    const auto length = get_le<std::uint32_t>(payload, header_at::source_length);
    if (length > largest_source) {
        throw Damaged(fmt::format("the header's text of the source has {} bytes", length));
    }
    header.source.assign(reinterpret_cast<const char*>(payload.data()) + header_at::source,
                         length);
    check_header(header, flags);
    return header;
}

std::optional<State> get_state(const Payload& payload, std::uint64_t index)
{
    const auto value = std::to_integer<unsigned>(payload[index / 4]) >> (index % 4 * 2) & 3U;
    return value > 2 ? std::nullopt : std::optional(static_cast<State>(value));
}

void put_state(Payload& payload, std::uint64_t index, State state)
{
    const unsigned shift = index % 4 * 2;
    const auto value = std::to_integer<unsigned>(payload[index / 4]) & ~(3U << shift);
    payload[index / 4] = static_cast<std::byte>(value | static_cast<unsigned>(state) << shift);
}

}  // namespace resilience::mapfile
