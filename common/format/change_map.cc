// SPDX-License-Identifier: BSD-3-Clause
#include "common/format/change_map.h"

#include <algorithm>
#include <bit>
#include <optional>

#include <fmt/format.h>
#include <xxhash.h>

#include "common/format/little_endian.h"

namespace resilience::changemap {
namespace {

// In bytes from the start of a slot of the header.
namespace at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 8;
constexpr std::size_t granularity = 12;
constexpr std::size_t device_size = 16;
constexpr std::size_t id = 24;
constexpr std::size_t generation = 32;
constexpr std::size_t checkpoint = 40;
constexpr std::size_t boot_id = 48;
constexpr std::size_t pair = 64;
constexpr std::size_t flags = 80;  // what is behind it is zero
}  // namespace at

constexpr std::size_t hash_at = payload_bytes;
constexpr std::uint32_t flag_clean = 1;

static_assert(words_per_sector == 62 && granules_per_sector == 3968);
static_assert(at::boot_id + sizeof(Uuid) == at::pair && at::pair + sizeof(Uuid) == at::flags);
static_assert(groups_per_sector == 4);

/// The place and the map's id are in the seed: a sound sector of another map,
/// or one that was written to the wrong place, is not sound here.
std::uint64_t hash_of(std::span<const std::byte> sector, std::uint64_t id, std::uint64_t place)
{
    return XXH3_64bits_withSeed(sector.data(), hash_at, id + place * 0x9e3779b97f4a7c15);
}

Uuid get_uuid(std::span<const std::byte> bytes, std::size_t offset)
{
    Uuid uuid;
    std::ranges::copy(bytes.subspan(offset, uuid.size()), uuid.begin());
    return uuid;
}

void put_uuid(std::span<std::byte> bytes, std::size_t offset, const Uuid& uuid)
{
    std::ranges::copy(uuid, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

void check_sound(std::span<const std::byte> sector, std::uint64_t id, std::uint64_t place,
                 const char* what)
{
    if (get_le<std::uint64_t>(sector, hash_at) != hash_of(sector, id, place)) {
        throw Damaged(fmt::format("the checksum of bytes {} to {} ({}) is wrong",
                                  place * sector_bytes, (place + 1) * sector_bytes - 1, what));
    }
}

struct Slot {
    Header header;
    std::uint64_t generation = 0;
};

Slot decode_slot(std::span<const std::byte> sector, unsigned slot)
{
    const std::size_t start = slot * sector_bytes;
    if (get_le<std::uint64_t>(sector, at::magic) != map_magic) {
        throw Damaged(fmt::format("bytes {} to {} are not the magic number of a map", start,
                                  start + 7));
    }
    const auto version = get_le<std::uint32_t>(sector, at::version);
    if (version != map_version) {
        throw Damaged(fmt::format("bytes {} to {}: its version is {}, known is {}", start + 8,
                                  start + 11, version, map_version));
    }
    Slot result;
    Header& h = result.header;
    h.id = get_le<std::uint64_t>(sector, at::id);
    check_sound(sector, h.id, slot, "the header");
    h.granularity = get_le<std::uint32_t>(sector, at::granularity);
    h.device_size = get_le<std::uint64_t>(sector, at::device_size);
    h.checkpoint = get_le<std::uint64_t>(sector, at::checkpoint);
    h.boot_id = get_uuid(sector, at::boot_id);
    h.pair = get_uuid(sector, at::pair);
    const auto flags = get_le<std::uint32_t>(sector, at::flags);
    h.clean = (flags & flag_clean) != 0;
    result.generation = get_le<std::uint64_t>(sector, at::generation);
    if (!std::has_single_bit(h.granularity) || h.granularity < smallest_granularity ||
        h.granularity > largest_granularity) {
        throw Damaged(fmt::format("the header's granularity is {}", h.granularity));
    }
    if (h.device_size == 0 || h.device_size > (std::uint64_t{1} << 62)) {
        throw Damaged(fmt::format("the header's device size is {}", h.device_size));
    }
    if ((flags & ~flag_clean) != 0) {
        throw Damaged(fmt::format("the header has flags that this version does not know ({:#x}): "
                                  "it was written by a newer one",
                                  flags));
    }
    return result;
}

}  // namespace

SectorBytes encode_header(const Header& header, std::uint64_t generation, unsigned slot)
{
    SectorBytes out{};
    put_le(out, at::magic, map_magic);
    put_le(out, at::version, map_version);
    put_le(out, at::granularity, header.granularity);
    put_le(out, at::device_size, header.device_size);
    put_le(out, at::id, header.id);
    put_le(out, at::generation, generation);
    put_le(out, at::checkpoint, header.checkpoint);
    put_uuid(out, at::boot_id, header.boot_id);
    put_uuid(out, at::pair, header.pair);
    put_le(out, at::flags, header.clean ? flag_clean : 0U);
    put_le(out, hash_at, hash_of(out, header.id, slot));
    return out;
}

Header decode_header(std::span<const std::byte> bytes, std::uint64_t& generation, unsigned& slot)
{
    if (bytes.size() < 2 * sector_bytes) {
        throw Damaged(fmt::format("it has {} bytes, the header alone has {}", bytes.size(),
                                  2 * sector_bytes));
    }
    // Both have to be sound: the one that is not may have been the newer.
    const Slot a = decode_slot(bytes.first(sector_bytes), 0);
    const Slot b = decode_slot(bytes.subspan(sector_bytes, sector_bytes), 1);
    if (a.generation == b.generation || a.header.id != b.header.id) {
        throw Damaged("the two slots of its header do not go together");
    }
    slot = b.generation > a.generation ? 1 : 0;
    const Slot& chosen = slot == 1 ? b : a;
    generation = chosen.generation;
    return chosen.header;
}

SectorBytes encode_bits(const Bits& bits, std::uint64_t id, std::uint64_t index)
{
    SectorBytes out{};
    for (std::size_t i = 0; i < words_per_sector; i++) {
        put_le(out, i * 8, bits.words[i]);
    }
    put_le(out, words_per_sector * 8, bits.open_groups);
    put_le(out, hash_at, hash_of(out, id, 2 + index));
    return out;
}

Bits decode_bits(std::span<const std::byte> sector, std::uint64_t id, std::uint64_t index)
{
    check_sound(sector, id, 2 + index, "bits");
    Bits bits;
    for (std::size_t i = 0; i < words_per_sector; i++) {
        bits.words[i] = get_le<std::uint64_t>(sector, i * 8);
    }
    bits.open_groups = get_le<std::uint64_t>(sector, words_per_sector * 8);
    return bits;
}

}  // namespace resilience::changemap
