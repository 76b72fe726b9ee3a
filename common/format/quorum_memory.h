// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a quorum remembers of its members, on disk.
//
// The memory is a row of pages in two slots each, written in turn, like those of a
// map (see allocation_map.h: torn and damaged are told apart there).  What is
// different: the number that a slot carries is not the page's own but one for the
// whole memory, so that of several copies the newest is known: it is the one with the
// highest number anywhere.
//
//   page 0           the root: which set, which epoch, which server
//   pages 1 to 32    a member each
//   then             the regions with an intent, a bit each
//   then             the content witness (common/core/content_witness.h): the places that
//                    are spread over the device, and those that were written last
//   then, a member   its stale map, a bit for each 64 KiB
//
// A page that is zeroes in both slots was never written; its first write is of both.
// Whether that may be is said by another page: a page that must be there and is not is
// damage.
//
// docs/formats/quorum-memory.md has the tables.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/content_witness.h"
#include "common/core/dirty_bitmap.h"
#include "common/format/allocation_map.h"

namespace resilience::memoryfile {

using mapfile::Damaged;
using mapfile::OtherVersion;
using mapfile::page_bytes;
using mapfile::PageBytes;
using mapfile::Payload;

/// "NBDRQMEM" in the byte order of the disk.
constexpr std::uint64_t magic = 0x4d454d515244424e;
constexpr std::uint32_t version = 1;

constexpr std::size_t most_members = 32;
constexpr std::size_t largest_name = 64;    ///< bytes
constexpr std::size_t largest_spec = 2048;  ///< bytes
constexpr std::uint64_t most_regions = 64 << 10;
constexpr std::uint64_t smallest_region = 1 << 20;  ///< bytes
constexpr std::uint64_t granule = 64 << 10;         ///< bytes; of a stale map

using Id = std::array<std::byte, 16>;

std::string to_string(const Id& id);
/// One that nobody else has.
Id new_id();

/// What is known of a member's content.
enum class MemberState : std::uint8_t {
    none = 0,     ///< the place is free
    current = 1,  ///< it has all that was acknowledged
    behind = 2,   ///< it misses what its stale map says, and all regions with an intent
    filling = 3,  ///< the same, and what is stale there was never copied to it: no old content
    foreign = 4,  ///< its content is not what was left there; nobody has said what to do
};
std::string_view to_string(MemberState state);

struct Member {
    Id id{};
    std::string name;  ///< the given one, or empty
    std::string spec;  ///< absolute
    MemberState state = MemberState::none;
    /// Whether its stale map is in the memory; else all of it is stale, unless it was
    /// current before the regions with an intent got theirs (`behind`).
    bool has_map = false;
    bool away = false;         ///< it was not named at the last start
    std::uint64_t epoch = 0;   ///< in which it was last current; 0: never
    std::uint64_t since = 0;   ///< seconds since 1970: when its state was last changed

    friend bool operator==(const Member&, const Member&) = default;
};

struct Root {
    Id set{};
    std::uint64_t device_size = 0;  ///< bytes
    std::uint64_t epoch = 0;        ///< counts starts, takeovers and changes of members
    std::uint64_t server = 0;       ///< random: who writes this memory
    std::uint32_t threshold = 0;    ///< of the last server
    std::uint32_t copies = 0;       ///< how many there were to be
    std::uint32_t needed = 0;       ///< on how many an update was before it counted
    bool compared = false;          ///< the members have once been compared from end to end
    bool complete = false;          ///< false: this copy is being written, and does not count

    friend bool operator==(const Root&, const Root&) = default;
};

/// Where things are, for a device of `size` bytes.
struct Layout {
    explicit Layout(std::uint64_t size);

    std::uint64_t device_size;
    std::uint64_t region;        ///< bytes; a power of two
    std::uint64_t regions;
    std::uint64_t map_pages;     ///< of a member's stale map

    static constexpr std::uint64_t bits_per_page = mapfile::payload_of_page * 8;
    static constexpr std::uint64_t root = 0;
    static constexpr std::uint64_t members = 1;
    static constexpr std::uint64_t intents = members + most_members;
    static constexpr std::uint64_t intent_pages =
        (most_regions + bits_per_page - 1) / bits_per_page;
    static constexpr std::uint64_t witness = intents + intent_pages;
    static constexpr std::uint64_t witness_pages = 2;
    static constexpr std::uint64_t reserved_pages = 8;
    static constexpr std::uint64_t maps = witness + witness_pages + reserved_pages;

    std::uint64_t intent_words() const { return (regions + 63) / 64; }
    /// Bytes of the device; the last region may be short.
    ByteRange range_of(std::uint64_t region_number) const
    {
        return {region_number * region, std::min((region_number + 1) * region, device_size)};
    }
    std::uint64_t map_of(std::size_t member) const { return maps + member * map_pages; }
    std::uint64_t pages() const { return map_of(most_members); }
    /// Of a file; an export may be as short as is needed for its members.
    std::uint64_t bytes(std::size_t of_members = most_members) const
    {
        return map_of(of_members) * 2 * page_bytes;
    }
};

Payload encode_root(const Root& root);
/// Throws Damaged and OtherVersion.
Root decode_root(const Payload& payload);

Payload encode_member(const Member& member);
/// Throws Damaged.
Member decode_member(const Payload& payload);

/// Bits [page * bits_per_page, ...) of `words` (64 bits each) as a page.
Payload encode_bits(std::span<const std::uint64_t> words, std::uint64_t page);
void decode_bits(const Payload& payload, std::uint64_t page, std::span<std::uint64_t> words);

/// Page `page` (0: the spread places, 1: the recent ones) of the witness.
Payload encode_witness(const ContentWitness& witness, std::uint64_t page);
/// Throws Damaged.
std::vector<WitnessPlace> decode_witness(const Payload& payload, std::uint64_t device_size);

/// All that a copy says.
struct Content {
    Root root;
    std::array<Member, most_members> members;
    std::vector<std::uint64_t> intents;  ///< words of 64 regions
    std::array<std::vector<std::uint64_t>, most_members> maps;  ///< empty: has none
    ContentWitness witness;
    bool has_intent(std::uint64_t region) const
    {
        return (intents[region / 64] >> region % 64 & 1) != 0;
    }
    std::uint64_t newest = 0;            ///< the highest number in it
    /// The sum of all numbers in it.  Of several copies the one with the greatest has all
    /// that any has: one that lacks a page of the last write has an older number there.
    std::uint64_t weight = 0;

    friend bool operator==(const Content&, const Content&) = default;
};

/// Reads bytes of a copy; returns 0 or an errno.
using ReadBytes = std::function<int(std::uint64_t offset, std::span<std::byte> into)>;

/// A copy, and in which slot each of its pages is.
struct Copy {
    Content content;
    std::vector<std::uint8_t> slots;  ///< by page: 0 or 1; never_written
};
constexpr std::uint8_t never_written = 2;

/// Reads a copy as a whole.  nullopt: nothing was ever written there (zeroes, or a copy
/// that was never finished).  Throws Damaged, OtherVersion, and std::system_error if it
/// cannot be read.  `size` is that of the copy, in bytes.
std::optional<Copy> read_copy(const ReadBytes& read, std::uint64_t size);

/// Reads the root alone, from both slots of page 0.  nullopt: zeroes.  Throws as above.
std::optional<Root> decode_root_slots(std::span<const std::byte> slots);

/// The key of the checksums of a set's pages.
std::uint64_t key_of(const Id& set);

}  // namespace resilience::memoryfile
