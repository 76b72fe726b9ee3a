// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/pair/identity.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>
#include <xxhash.h>

#include "common/core/random_id.h"
#include "common/device/device.h"
#include "common/format/little_endian.h"
#include "common/store/durable_file.h"

namespace resilience::replication {

namespace {

/// "NBDRPID\0" in the byte order of the disk.
constexpr std::uint64_t magic = 0x004449505244424e;
constexpr std::uint32_t version = 1;

// In bytes from the start of the file.
namespace at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 8;
constexpr std::size_t role = 12;
constexpr std::size_t flags = 16;
constexpr std::size_t reserved = 20;
constexpr std::size_t epoch = 24;
constexpr std::size_t device_size = 32;
constexpr std::size_t checkpoint = 40;
constexpr std::size_t pair = 48;
constexpr std::size_t hidden = 64;
constexpr std::size_t hash = 120;
}  // namespace at

static_assert(at::reserved + 4 == at::epoch);
static_assert(at::pair + sizeof(PairId) == at::hidden);
static_assert(at::hash + 8 == identity_bytes);

enum Flag : std::uint32_t { flag_consistent = 1, flag_based = 2, flag_owes_map = 4, flag_merging = 8 };
constexpr std::uint32_t known_flags = flag_consistent | flag_based | flag_owes_map | flag_merging;

std::uint64_t hash_of(std::span<const std::byte> bytes)
{
    return XXH3_64bits(bytes.data(), at::hash);
}

}  // namespace

std::string to_string(const PairId& id)
{
    if (id == PairId{}) {
        return "none";
    }
    std::string text;
    for (const std::byte each : id) {
        text += fmt::format("{:02x}", std::to_integer<unsigned>(each));
    }
    return text;
}

PairId random_pair_id()
{
    PairId id{};
    fill_random(id);
    return id;
}

std::string_view to_string(Role role)
{
    switch (role) {
    case Role::none: return "none";
    case Role::primary: return "primary";
    case Role::secondary: return "secondary";
    case Role::promoted: return "promoted";
    }
    return "unknown";
}

std::array<std::byte, identity_bytes> encode(const Identity& identity)
{
    std::array<std::byte, identity_bytes> bytes{};
    put_le(bytes, at::magic, magic);
    put_le(bytes, at::version, version);
    put_le(bytes, at::role, static_cast<std::uint32_t>(identity.role));
    put_le(bytes, at::flags, (identity.consistent ? flag_consistent : 0U) |
                                (identity.based ? flag_based : 0U) |
                                (identity.owes_map ? flag_owes_map : 0U) |
                                (identity.merging ? flag_merging : 0U));
    put_le(bytes, at::epoch, identity.epoch);
    put_le(bytes, at::device_size, identity.device_size);
    put_le(bytes, at::checkpoint, identity.checkpoint);
    put_le(bytes, at::hidden, identity.hidden);
    std::ranges::copy(identity.pair, bytes.begin() + at::pair);
    put_le(bytes, at::hash, hash_of(bytes));
    return bytes;
}

Identity decode_identity(std::span<const std::byte> bytes)
{
    if (bytes.size() != identity_bytes) {
        throw std::runtime_error(
            fmt::format("it has {} bytes and must have {}", bytes.size(), identity_bytes));
    }
    if (get_le<std::uint64_t>(bytes, at::magic) != magic) {
        throw std::runtime_error("bytes 0 to 7 are not the magic number of an identity");
    }
    if (const auto found = get_le<std::uint32_t>(bytes, at::version); found != version) {
        throw std::runtime_error(
            fmt::format("bytes 8 to 11: its version is {}, known is {}", found, version));
    }
    if (get_le<std::uint64_t>(bytes, at::hash) != hash_of(bytes)) {
        throw std::runtime_error("the checksum is wrong");
    }
    const auto role = get_le<std::uint32_t>(bytes, at::role);
    const auto flags = get_le<std::uint32_t>(bytes, at::flags);
    if (role > static_cast<std::uint32_t>(Role::promoted) || (flags & ~known_flags) != 0) {
        throw std::runtime_error(fmt::format("role {} with flags {:#x} is unknown", role, flags));
    }
    Identity identity;
    identity.role = static_cast<Role>(role);
    identity.consistent = (flags & flag_consistent) != 0;
    identity.based = (flags & flag_based) != 0;
    identity.owes_map = (flags & flag_owes_map) != 0;
    identity.merging = (flags & flag_merging) != 0;
    identity.epoch = get_le<std::uint64_t>(bytes, at::epoch);
    identity.device_size = get_le<std::uint64_t>(bytes, at::device_size);
    identity.checkpoint = get_le<std::uint64_t>(bytes, at::checkpoint);
    identity.hidden = get_le<std::uint64_t>(bytes, at::hidden);
    std::ranges::copy(bytes.subspan(at::pair, identity.pair.size()), identity.pair.begin());
    return identity;
}

Identity IdentityFile::load() const
{
    const auto bytes = read_whole_file(path_, 1 << 20);
    if (!bytes) {
        return {};
    }
    try {
        return decode_identity(*bytes);
    } catch (const std::runtime_error& error) {
        throw SetupError(fmt::format("replication-identity='{}' is damaged: {}.  Which side was "
                                     "the primary last cannot be known from it: restore it from a "
                                     "backup, or remove it to begin as a member of no pair",
                                     path_, error.what()));
    }
}

int IdentityFile::store(const Identity& identity) const
{
    return replace_file(path_, encode(identity));
}

}  // namespace resilience::replication
