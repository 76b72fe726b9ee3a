// SPDX-License-Identifier: BSD-3-Clause
#include "common/format/quorum_memory.h"

#include <algorithm>
#include <bit>
#include <system_error>
#include <tuple>

#include <fmt/format.h>

#include "common/core/random_id.h"
#include "common/format/little_endian.h"

namespace resilience::memoryfile {

namespace {

// In bytes from the start of the payload.
namespace root_at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 8;
constexpr std::size_t threshold = 12;
constexpr std::size_t set = 16;
constexpr std::size_t device_size = 32;
constexpr std::size_t epoch = 40;
constexpr std::size_t server = 48;
constexpr std::size_t flags = 56;
constexpr std::size_t copies = 60;
constexpr std::size_t needed = 64;
}  // namespace root_at

namespace member_at {
constexpr std::size_t id = 0;
constexpr std::size_t state = 16;
constexpr std::size_t flags = 20;
constexpr std::size_t epoch = 24;
constexpr std::size_t since = 32;
constexpr std::size_t spec_length = 40;
constexpr std::size_t name = 64;
constexpr std::size_t spec = name + largest_name;
}  // namespace member_at

namespace place_at {
constexpr std::size_t offset = 0;  // the lowest bit: a digest is here
constexpr std::size_t digest = 8;
constexpr std::size_t bytes = digest + std::tuple_size_v<ContentDigest>;
}  // namespace place_at

static_assert(most_spread * place_at::bytes <= mapfile::payload_of_page);
static_assert(most_recent * place_at::bytes <= mapfile::payload_of_page);
static_assert(member_at::spec + largest_spec <= mapfile::payload_of_page);
static_assert(root_at::set % 8 == 0 && root_at::needed + 4 <= mapfile::payload_of_sector);

// Flags of the root and of a member.
constexpr std::uint32_t flag_compared = 1;
constexpr std::uint32_t flag_complete = 2;
constexpr std::uint32_t flag_has_map = 1;
constexpr std::uint32_t flag_away = 2;

bool is_zero(std::span<const std::byte> bytes)
{
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

void put_id(std::span<std::byte> out, std::size_t at, const Id& id)
{
    std::ranges::copy(id, out.begin() + static_cast<std::ptrdiff_t>(at));
}

Id get_id(std::span<const std::byte> bytes, std::size_t at)
{
    Id id;
    std::ranges::copy(bytes.subspan(at, id.size()), id.begin());
    return id;
}

/// Reads page by page.
class Pages {
public:
    Pages(const ReadBytes& read, std::uint64_t size, std::uint64_t key, std::uint64_t pages)
        : read_(read), size_(size), key_(key), slots_(pages, never_written)
    {
    }

    /// Both slots; nullopt if they are zeroes, or behind the end of the copy.
    std::optional<Payload> get(std::uint64_t page)
    {
        std::array<std::byte, 2 * page_bytes> slots;
        const std::uint64_t at = mapfile::slot_offset(page, 0);
        if (at + slots.size() > size_) {
            return std::nullopt;
        }
        if (const int error = read_(at, slots)) {
            throw std::system_error(error, std::generic_category());
        }
        return decode(slots, page);
    }

    /// One that must be there.
    Payload need(std::uint64_t page, std::string_view what)
    {
        const auto payload = get(page);
        if (!payload) {
            throw Damaged(fmt::format("page {} ({}) was lost: it is zeroes", page, what));
        }
        return *payload;
    }

    std::uint64_t newest() const { return newest_; }
    std::uint64_t weight() const { return weight_; }
    std::vector<std::uint8_t> take_slots() { return std::move(slots_); }

private:
    std::optional<Payload> decode(std::span<const std::byte> slots, std::uint64_t page)
    {
        if (is_zero(slots)) {
            return std::nullopt;
        }
        const mapfile::Page found = mapfile::decode_page(slots, key_, page);
        newest_ = std::max(newest_, found.generation);
        weight_ += found.generation;
        slots_[page] = static_cast<std::uint8_t>(found.slot);
        return found.payload;
    }

    const ReadBytes& read_;
    const std::uint64_t size_;
    const std::uint64_t key_;
    std::uint64_t newest_ = 0;
    std::uint64_t weight_ = 0;
    std::vector<std::uint8_t> slots_;
};

std::uint64_t region_for(std::uint64_t size)
{
    return std::max(smallest_region, std::bit_ceil((size + most_regions - 1) / most_regions));
}

constexpr std::uint64_t pieces(std::uint64_t size, std::uint64_t piece)
{
    return (size + piece - 1) / piece;
}

constexpr std::uint64_t words_for(std::uint64_t bits) { return pieces(bits, 64); }

void read_members(Pages& pages, Content& content)
{
    for (std::size_t i = 0; i < most_members; i++) {
        content.members[i] = decode_member(pages.need(Layout::members + i, "a member"));
    }
}

void read_maps(Pages& pages, const Layout& layout, Content& content)
{
    for (std::size_t i = 0; i < most_members; i++) {
        if (content.members[i].state == MemberState::none || !content.members[i].has_map) {
            continue;
        }
        content.maps[i].resize(words_for(pieces(layout.device_size, granule)));
        for (std::uint64_t page = 0; page < layout.map_pages; page++) {
            decode_bits(pages.need(layout.map_of(i) + page, "a stale map"), page, content.maps[i]);
        }
    }
}

}  // namespace

Id new_id()
{
    Id id;
    fill_random(id);
    return id;
}

std::string to_string(const Id& id)
{
    std::string text;
    for (const std::byte byte : id) {
        text += fmt::format("{:02x}", static_cast<unsigned>(byte));
    }
    return text;
}

std::string_view to_string(MemberState state)
{
    switch (state) {
    case MemberState::none: return "none";
    case MemberState::current: return "current";
    case MemberState::behind: return "behind";
    case MemberState::filling: return "filling";
    case MemberState::foreign: return "foreign";
    }
    return "unknown";
}

Layout::Layout(std::uint64_t size)
    : device_size(size), region(region_for(size)), regions(pieces(size, region)),
      map_pages(pieces(pieces(size, granule), bits_per_page))
{
}

std::uint64_t key_of(const Id& set)
{
    return get_le<std::uint64_t>(set, 0) ^ get_le<std::uint64_t>(set, 8);
}

Payload encode_root(const Root& root)
{
    Payload out{};
    put_le(out, root_at::magic, magic);
    put_le(out, root_at::version, version);
    put_le(out, root_at::threshold, root.threshold);
    put_id(out, root_at::set, root.set);
    put_le(out, root_at::device_size, root.device_size);
    put_le(out, root_at::epoch, root.epoch);
    put_le(out, root_at::server, root.server);
    put_le(out, root_at::copies, root.copies);
    put_le(out, root_at::needed, root.needed);
    put_le(out, root_at::flags,
           (root.compared ? flag_compared : 0) | (root.complete ? flag_complete : 0));
    return out;
}

Root decode_root(const Payload& payload)
{
    const std::span<const std::byte> in = payload;
    const auto found = get_le<std::uint32_t>(in, root_at::version);
    if (found != version) {
        throw OtherVersion(fmt::format("its format has the version {}, known is {}", found, version));
    }
    Root root;
    root.set = get_id(in, root_at::set);
    root.device_size = get_le<std::uint64_t>(in, root_at::device_size);
    root.epoch = get_le<std::uint64_t>(in, root_at::epoch);
    root.server = get_le<std::uint64_t>(in, root_at::server);
    root.threshold = get_le<std::uint32_t>(in, root_at::threshold);
    root.copies = get_le<std::uint32_t>(in, root_at::copies);
    root.needed = get_le<std::uint32_t>(in, root_at::needed);
    const auto flags = get_le<std::uint32_t>(in, root_at::flags);
    root.compared = (flags & flag_compared) != 0;
    root.complete = (flags & flag_complete) != 0;
    if (root.device_size == 0 || root.device_size > (std::uint64_t{1} << 62)) {
        throw Damaged(fmt::format("the root's device size is {}", root.device_size));
    }
    return root;
}

Payload encode_member(const Member& member)
{
    Payload out{};
    put_id(out, member_at::id, member.id);
    put_le(out, member_at::state, static_cast<std::uint32_t>(member.state));
    put_le(out, member_at::flags,
           (member.has_map ? flag_has_map : 0) | (member.away ? flag_away : 0));
    put_le(out, member_at::epoch, member.epoch);
    put_le(out, member_at::since, member.since);
    put_le(out, member_at::spec_length,
           static_cast<std::uint32_t>(std::min(member.spec.size(), largest_spec)));
    put_text(std::span(out).subspan(member_at::name, largest_name), member.name);
    put_text(std::span(out).subspan(member_at::spec, largest_spec), member.spec);
    return out;
}

Member decode_member(const Payload& payload)
{
    const std::span<const std::byte> in = payload;
    Member member;
    const auto state = get_le<std::uint32_t>(in, member_at::state);
    const auto length = get_le<std::uint32_t>(in, member_at::spec_length);
    if (state > static_cast<std::uint32_t>(MemberState::foreign) || length > largest_spec) {
        throw Damaged(fmt::format("a member has the state {} and a SPEC of {} bytes", state, length));
    }
    member.id = get_id(in, member_at::id);
    member.state = static_cast<MemberState>(state);
    const auto flags = get_le<std::uint32_t>(in, member_at::flags);
    member.has_map = (flags & flag_has_map) != 0;
    member.away = (flags & flag_away) != 0;
    member.epoch = get_le<std::uint64_t>(in, member_at::epoch);
    member.since = get_le<std::uint64_t>(in, member_at::since);
    member.name = get_text(in.subspan(member_at::name, largest_name));
    member.spec = get_text(in.subspan(member_at::spec, length));
    return member;
}

Payload encode_bits(std::span<const std::uint64_t> words, std::uint64_t page)
{
    constexpr std::uint64_t per_page = Layout::bits_per_page / 64;
    Payload out{};
    const std::uint64_t first = page * per_page;
    for (std::uint64_t i = 0; i < per_page && first + i < words.size(); i++) {
        put_le(out, i * sizeof(std::uint64_t), words[first + i]);
    }
    return out;
}

void decode_bits(const Payload& payload, std::uint64_t page, std::span<std::uint64_t> words)
{
    constexpr std::uint64_t per_page = Layout::bits_per_page / 64;
    const std::uint64_t first = page * per_page;
    for (std::uint64_t i = 0; i < per_page && first + i < words.size(); i++) {
        words[first + i] = get_le<std::uint64_t>(payload, i * sizeof(std::uint64_t));
    }
}

Payload encode_witness(const ContentWitness& witness, std::uint64_t page)
{
    Payload out{};
    std::size_t at = 0;
    for (const WitnessPlace& place : page == 0 ? witness.spread : witness.recent) {
        put_le(out, at + place_at::offset, place.offset | 1);
        std::ranges::copy(place.digest,
                          out.begin() + static_cast<std::ptrdiff_t>(at + place_at::digest));
        at += place_at::bytes;
    }
    return out;
}

std::vector<WitnessPlace> decode_witness(const Payload& payload, std::uint64_t device_size)
{
    const std::span<const std::byte> in = payload;
    std::vector<WitnessPlace> places;
    for (std::size_t at = 0; at + place_at::bytes <= most_spread * place_at::bytes;
         at += place_at::bytes) {
        const auto field = get_le<std::uint64_t>(in, at + place_at::offset);
        if ((field & 1) == 0) {
            continue;  // nothing is known here
        }
        WitnessPlace& place = places.emplace_back();
        place.offset = field & ~std::uint64_t{1};
        std::ranges::copy(in.subspan(at + place_at::digest, place.digest.size()),
                          place.digest.begin());
        if (place.offset % witness_block != 0 || place.offset >= device_size ||
            device_size - place.offset < witness_block) {
            throw Damaged(fmt::format("the content witness has a place at byte {}", place.offset));
        }
    }
    return places;
}

std::optional<Root> decode_root_slots(std::span<const std::byte> slots)
{
    std::optional<Id> set;
    for (unsigned slot = 0; slot < 2; slot++) {
        const auto bytes = slots.subspan(slot * page_bytes, page_bytes);
        if (is_zero(bytes)) {
            continue;
        }
        if (get_le<std::uint64_t>(bytes, root_at::magic) != magic) {
            throw Damaged(fmt::format("bytes {0} to {1} are not the magic number of a quorum's "
                                      "memory",
                                      slot * page_bytes, slot * page_bytes + 7));
        }
        // The set's id is part of the checksums; it is as good as the one of its sector.
        set = get_id(bytes, root_at::set);
    }
    if (!set) {
        return std::nullopt;
    }
    const ReadBytes from_slots = [&](std::uint64_t offset, std::span<std::byte> into) {
        std::ranges::copy(slots.subspan(offset, into.size()), into.begin());
        return 0;
    };
    return decode_root(*Pages(from_slots, slots.size(), key_of(*set), 1).get(0));
}

std::optional<Copy> read_copy(const ReadBytes& read, std::uint64_t size)
{
    std::array<std::byte, 2 * page_bytes> slots{};
    if (size < slots.size()) {
        throw Damaged(fmt::format("it has {} bytes, the root alone has {}", size, slots.size()));
    }
    if (const int error = read(0, slots)) {
        throw std::system_error(error, std::generic_category());
    }
    const auto root = decode_root_slots(slots);
    if (!root || !root->complete) {
        return std::nullopt;
    }
    Copy copy;
    Content& content = copy.content;
    content.root = *root;
    const Layout layout(root->device_size);
    Pages pages(read, size, key_of(root->set), layout.pages());
    pages.need(Layout::root, "the root");
    read_members(pages, content);
    content.intents.resize(layout.intent_words());
    for (std::uint64_t page = 0; page < Layout::intent_pages; page++) {
        decode_bits(pages.need(Layout::intents + page, "intents"), page, content.intents);
    }
    for (std::uint64_t page = 0; page < Layout::witness_pages; page++) {
        auto& places = page == 0 ? content.witness.spread : content.witness.recent;
        places = decode_witness(pages.need(Layout::witness + page, "the content witness"),
                                root->device_size);
    }
    read_maps(pages, layout, content);
    content.newest = pages.newest();
    content.weight = pages.weight();
    copy.slots = pages.take_slots();
    return copy;
}

}  // namespace resilience::memoryfile
