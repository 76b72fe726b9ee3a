// SPDX-License-Identifier: BSD-3-Clause
#include "common/format/dm_log_writes.h"

#include <algorithm>
#include <bit>
#include <new>

#include <xxhash.h>

#include "common/format/little_endian.h"

namespace resilience::writelog {
namespace {

constexpr std::uint32_t super_extension_magic = 0x534c424e;  // "NBLS"
constexpr std::uint32_t entry_extension_magic = 0x584c424e;  // "NBLX"
constexpr std::uint16_t extension_version = 1;

// Where things are, in bytes from the start of the superblock.
namespace super_at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 8;
constexpr std::size_t entries = 16;
constexpr std::size_t sector_size = 24;
constexpr std::size_t end = 28;
constexpr std::size_t extension = 32;
}  // namespace super_at

namespace super_extension_at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 4;
constexpr std::size_t device_size = 8;
constexpr std::size_t started_ns = 16;
constexpr std::size_t log_id = 24;
constexpr std::size_t tool = 32;
constexpr std::size_t tool_size = 16;
constexpr std::size_t hash = 48;
constexpr std::size_t size = 56;
}  // namespace super_extension_at

// In bytes from the start of an entry's header.
namespace entry_at {
constexpr std::size_t sector = 0;
constexpr std::size_t sectors = 8;
constexpr std::size_t flags = 16;
constexpr std::size_t data_length = 24;
constexpr std::size_t mark = 32;
constexpr std::size_t padding = 32;  // must be zero, but for a mark
constexpr std::size_t padding_size = 8;
}  // namespace entry_at

namespace entry_extension_at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 4;
constexpr std::size_t kind = 6;
constexpr std::size_t bits = 7;
constexpr std::size_t issued = 8;
constexpr std::size_t completed = 16;
constexpr std::size_t issued_ns = 24;
constexpr std::size_t completed_ns = 32;
constexpr std::size_t offset = 40;
constexpr std::size_t length = 48;
constexpr std::size_t connection = 56;
constexpr std::size_t log_id = 60;
constexpr std::size_t body_hash = 64;
constexpr std::size_t header_hash = 72;
constexpr std::size_t size = 80;
}  // namespace entry_extension_at

constexpr std::size_t extension_of_entry = entry_at::padding + entry_at::padding_size;
constexpr std::size_t extension_of_mark = header_bytes - entry_extension_at::size;

static_assert(super_at::extension + super_extension_at::size <= header_bytes);
static_assert(super_extension_at::tool + super_extension_at::tool_size ==
              super_extension_at::hash);
static_assert(extension_of_entry + entry_extension_at::size <= extension_of_mark);

enum ExtensionBit : std::uint8_t { bit_fua = 1, bit_first = 2, bit_last = 4 };

/// Of a header of which the hash itself is taken to be zero.
std::uint64_t hash_header(std::span<const std::byte> bytes, std::size_t hash_at)
{
    HeaderBytes copy;
    std::ranges::copy(bytes.first(header_bytes), copy.begin());
    std::ranges::fill(std::span(copy).subspan(hash_at, sizeof(std::uint64_t)), std::byte{0});
    return hash_body(copy);
}

/// Whether an extension of ours was written there, and its checksum does not
/// match what there is now.  Where it matches but for the magic number and the
/// version, those are the damage.
bool is_damaged(std::span<const std::byte> bytes, std::size_t position, std::uint32_t magic,
                std::size_t hash_at)
{
    constexpr std::size_t version_at = sizeof magic;
    if (bytes.size() < header_bytes) {
        return false;
    }
    const auto hash = get_le<std::uint64_t>(bytes, position + hash_at);
    if (get_le<std::uint32_t>(bytes, position) == magic &&
        get_le<std::uint16_t>(bytes, position + version_at) == extension_version) {
        return hash != hash_header(bytes, position + hash_at);
    }
    if (hash == 0) {
        return false;  // of the plain logs, and no checksum is 0
    }
    HeaderBytes copy;
    std::ranges::copy(bytes.first(header_bytes), copy.begin());
    put_le<std::uint32_t>(copy, position, magic);
    put_le<std::uint16_t>(copy, position + version_at, extension_version);
    return hash == hash_header(copy, position + hash_at);
}

bool is_damaged_entry(std::span<const std::byte> bytes, std::size_t position)
{
    return is_damaged(bytes, position, entry_extension_magic, entry_extension_at::header_hash);
}

std::optional<SuperExtension> decode_super_extension(std::span<const std::byte> bytes)
{
    namespace at = super_extension_at;
    if (bytes.size() < header_bytes) {
        return std::nullopt;
    }
    const auto field = bytes.subspan(super_at::extension, at::size);
    if (get_le<std::uint32_t>(field, at::magic) != super_extension_magic ||
        get_le<std::uint16_t>(field, at::version) != extension_version ||
        get_le<std::uint64_t>(field, at::hash) !=
            hash_header(bytes, super_at::extension + at::hash)) {
        return std::nullopt;
    }
    SuperExtension extension;
    extension.device_size = get_le<std::uint64_t>(field, at::device_size);
    extension.started_ns = get_le<std::uint64_t>(field, at::started_ns);
    extension.log_id = get_le<std::uint32_t>(field, at::log_id);
    extension.tool = get_text(field.subspan(at::tool, at::tool_size));
    return extension;
}

void encode_extension(const SuperExtension& extension, std::span<std::byte> field)
{
    namespace at = super_extension_at;
    put_le<std::uint32_t>(field, at::magic, super_extension_magic);
    put_le<std::uint16_t>(field, at::version, extension_version);
    put_le<std::uint64_t>(field, at::device_size, extension.device_size);
    put_le<std::uint64_t>(field, at::started_ns, extension.started_ns);
    put_le<std::uint32_t>(field, at::log_id, extension.log_id);
    put_text(field.subspan(at::tool, at::tool_size - 1), extension.tool);
}

void encode_extension(const EntryExtension& extension, std::span<std::byte> field)
{
    namespace at = entry_extension_at;
    put_le<std::uint32_t>(field, at::magic, entry_extension_magic);
    put_le<std::uint16_t>(field, at::version, extension_version);
    put_le<std::uint8_t>(field, at::kind, static_cast<std::uint8_t>(extension.kind));
    put_le<std::uint8_t>(field, at::bits,
                         static_cast<std::uint8_t>((extension.fua ? bit_fua : 0) |
                                                   (extension.first ? bit_first : 0) |
                                                   (extension.last ? bit_last : 0)));
    put_le<std::uint64_t>(field, at::issued, extension.issued);
    put_le<std::uint64_t>(field, at::completed, extension.completed);
    put_le<std::uint64_t>(field, at::issued_ns, extension.issued_ns);
    put_le<std::uint64_t>(field, at::completed_ns, extension.completed_ns);
    put_le<std::uint64_t>(field, at::offset, extension.offset);
    put_le<std::uint64_t>(field, at::length, extension.length);
    put_le<std::uint32_t>(field, at::connection, extension.connection);
    put_le<std::uint32_t>(field, at::log_id, extension.log_id);
    put_le<std::uint64_t>(field, at::body_hash, extension.body_hash);
}

std::optional<EntryExtension> decode_extension(std::span<const std::byte> bytes,
                                               std::size_t position)
{
    namespace at = entry_extension_at;
    if (bytes.size() < header_bytes) {
        return std::nullopt;
    }
    const auto field = bytes.subspan(position, at::size);
    const auto kind = get_le<std::uint8_t>(field, at::kind);
    if (get_le<std::uint32_t>(field, at::magic) != entry_extension_magic ||
        get_le<std::uint16_t>(field, at::version) != extension_version ||
        kind > static_cast<std::uint8_t>(Kind::mark) ||
        get_le<std::uint64_t>(field, at::header_hash) !=
            hash_header(bytes, position + at::header_hash)) {
        return std::nullopt;
    }
    const auto bits = get_le<std::uint8_t>(field, at::bits);
    EntryExtension extension;
    extension.kind = static_cast<Kind>(kind);
    extension.fua = (bits & bit_fua) != 0;
    extension.first = (bits & bit_first) != 0;
    extension.last = (bits & bit_last) != 0;
    extension.issued = get_le<std::uint64_t>(field, at::issued);
    extension.completed = get_le<std::uint64_t>(field, at::completed);
    extension.issued_ns = get_le<std::uint64_t>(field, at::issued_ns);
    extension.completed_ns = get_le<std::uint64_t>(field, at::completed_ns);
    extension.offset = get_le<std::uint64_t>(field, at::offset);
    extension.length = get_le<std::uint64_t>(field, at::length);
    extension.connection = get_le<std::uint32_t>(field, at::connection);
    extension.log_id = get_le<std::uint32_t>(field, at::log_id);
    extension.body_hash = get_le<std::uint64_t>(field, at::body_hash);
    return extension;
}

constexpr std::uint64_t never_zero(std::uint64_t hash) { return hash == 0 ? 1 : hash; }

}  // namespace

std::string_view to_string(Kind kind)
{
    switch (kind) {
    case Kind::unknown: break;
    case Kind::write: return "write";
    case Kind::zero: return "zero";
    case Kind::zero_unmap: return "zero-unmap";
    case Kind::trim: return "trim";
    case Kind::flush: return "flush";
    case Kind::mark: return "mark";
    }
    return "unknown";
}

bool is_sector_size(std::uint64_t size, std::uint32_t smallest)
{
    return size >= smallest && size <= largest_sector && std::has_single_bit(size);
}

void encode(const Superblock& super, HeaderBytes& out)
{
    out.fill(std::byte{0});
    put_le<std::uint64_t>(out, super_at::magic, log_magic);
    put_le<std::uint64_t>(out, super_at::version, super.version);
    put_le<std::uint64_t>(out, super_at::entries, super.entries);
    put_le<std::uint32_t>(out, super_at::sector_size, super.sector_size);
    if (super.extension) {
        const auto field = std::span(out).subspan(super_at::extension, super_extension_at::size);
        encode_extension(*super.extension, field);
        put_le<std::uint64_t>(field, super_extension_at::hash, hash_body(out));
    }
}

std::optional<Superblock> decode_superblock(std::span<const std::byte> bytes)
{
    if (bytes.size() < super_at::end ||
        get_le<std::uint64_t>(bytes, super_at::magic) != log_magic) {
        return std::nullopt;
    }
    Superblock super;
    super.version = get_le<std::uint64_t>(bytes, super_at::version);
    super.entries = get_le<std::uint64_t>(bytes, super_at::entries);
    super.sector_size = get_le<std::uint32_t>(bytes, super_at::sector_size);
    super.extension = decode_super_extension(bytes);
    super.damaged = is_damaged(bytes, super_at::extension, super_extension_magic,
                               super_extension_at::hash);
    return super;
}

bool has_room_for_extension(std::size_t mark_length)
{
    return entry_at::mark + mark_length < extension_of_mark;  // and the NUL
}

void encode(const Entry& entry, HeaderBytes& out)
{
    out.fill(std::byte{0});
    put_le<std::uint64_t>(out, entry_at::sector, entry.sector);
    put_le<std::uint64_t>(out, entry_at::sectors, entry.sectors);
    put_le<std::uint64_t>(out, entry_at::flags, entry.flags);
    put_le<std::uint64_t>(out, entry_at::data_length, entry.data_length);
    std::size_t position = extension_of_entry;
    if (entry.is_mark()) {
        put_text(std::span(out).subspan(entry_at::mark), entry.mark);
        position = extension_of_mark;
        if (!has_room_for_extension(entry.mark.size())) {
            return;
        }
    }
    if (entry.extension) {
        const auto field = std::span(out).subspan(position, entry_extension_at::size);
        encode_extension(*entry.extension, field);
        put_le<std::uint64_t>(field, entry_extension_at::header_hash, hash_body(out));
    }
}

Entry decode_entry(std::span<const std::byte> bytes)
{
    Entry entry;
    entry.sector = get_le<std::uint64_t>(bytes, entry_at::sector);
    entry.sectors = get_le<std::uint64_t>(bytes, entry_at::sectors);
    entry.flags = get_le<std::uint64_t>(bytes, entry_at::flags);
    entry.data_length = get_le<std::uint64_t>(bytes, entry_at::data_length);
    if (entry.is_mark()) {
        const auto text = bytes.subspan(entry_at::mark);
        entry.mark = get_text(text.first(std::min<std::uint64_t>(text.size(), entry.data_length)));
        entry.extension = decode_extension(bytes, extension_of_mark);
        // Where the extension of another kind of entry is: the flag may be the
        // damage.  A text may be anything, so it must not reach there.
        entry.damaged = (has_room_for_extension(entry.mark.size()) &&
                         is_damaged_entry(bytes, extension_of_mark)) ||
                        (entry.mark.size() <= entry_at::padding_size &&
                         is_damaged_entry(bytes, extension_of_entry));
    } else {
        const auto padding = bytes.subspan(
            entry_at::padding,
            std::min(entry_at::padding_size, bytes.size() - entry_at::padding));
        entry.dirty_padding =
            std::ranges::any_of(padding, [](std::byte each) { return each != std::byte{0}; });
        entry.extension = decode_extension(bytes, extension_of_entry);
        entry.damaged = is_damaged_entry(bytes, extension_of_entry) ||
                        is_damaged_entry(bytes, extension_of_mark);
    }
    return entry;
}

std::uint64_t hash_body(std::span<const std::byte> body)
{
    return never_zero(XXH3_64bits(body.data(), body.size()));
}

void BodyHash::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

BodyHash::BodyHash() : state_(XXH3_createState())
{
    if (state_ == nullptr) {
        throw std::bad_alloc();
    }
    XXH3_64bits_reset(state_.get());
}

void BodyHash::add(std::span<const std::byte> piece)
{
    XXH3_64bits_update(state_.get(), piece.data(), piece.size());
}

std::uint64_t BodyHash::value() const { return never_zero(XXH3_64bits_digest(state_.get())); }

}  // namespace resilience::writelog
