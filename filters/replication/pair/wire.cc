// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/pair/wire.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>
#include <xxhash.h>

#include "common/format/little_endian.h"

namespace resilience::replication::wire {

namespace {

/// "NBDRCMD\0" and "NBDRSTA\0" in the byte order of the wire.
constexpr std::uint64_t command_magic = 0x00444d435244424e;
constexpr std::uint64_t status_magic = 0x004154535244424e;
constexpr std::uint32_t version = 1;

// Both begin in the same way: bytes from the start.
namespace at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 8;
constexpr std::size_t first = 12;  // a command's kind, a status's refusal
constexpr std::size_t sequence = 16;
constexpr std::size_t session = 24;
constexpr std::size_t pair = 32;
constexpr std::size_t epoch = 48;
constexpr std::size_t device_size = 56;
constexpr std::size_t checkpoint = 64;
}  // namespace at

namespace command_at {
constexpr std::size_t done = 72;
constexpr std::size_t total = 80;
constexpr std::size_t flags = 88;
constexpr std::size_t moment = 96;
constexpr std::size_t hash = command_bytes - 8;
}  // namespace command_at

namespace status_at {
constexpr std::size_t checkpoint_time = 72;
constexpr std::size_t hidden_bytes = 80;
constexpr std::size_t active_bytes = 88;
constexpr std::size_t map_granularity = 96;
constexpr std::size_t map_bytes = 104;
constexpr std::size_t instance = 112;
constexpr std::size_t state = 120;
constexpr std::size_t role = 124;
constexpr std::size_t flags = 128;
constexpr std::size_t error = 132;
constexpr std::size_t text_length = 136;
constexpr std::size_t text = 144;
constexpr std::size_t hash = status_bytes - 8;
}  // namespace status_at

static_assert(at::pair + sizeof(PairId) == at::epoch);
static_assert(at::checkpoint + 8 == command_at::done);
static_assert(at::checkpoint + 8 == status_at::checkpoint_time);
static_assert(command_at::moment + 8 <= command_at::hash);
static_assert(status_at::text + largest_text <= status_at::hash);

enum StatusFlag : std::uint32_t {
    flag_consistent = 1,
    flag_syncing = 2,
    flag_needs_full = 4,
    flag_was_primary = 8,
};

template <std::size_t size>
void seal(std::array<std::byte, size>& bytes)
{
    put_le(bytes, size - 8, XXH3_64bits(bytes.data(), size - 8));
}

void check(std::span<const std::byte> bytes, std::size_t size, std::uint64_t magic)
{
    if (bytes.size() != size) {
        throw std::runtime_error(fmt::format("it has {} bytes, not {}", bytes.size(), size));
    }
    if (get_le<std::uint64_t>(bytes, at::magic) != magic) {
        throw std::runtime_error("its first 8 bytes are not the magic number");
    }
    if (const auto found = get_le<std::uint32_t>(bytes, at::version); found != version) {
        throw std::runtime_error(fmt::format("its version is {}, known is {}", found, version));
    }
    if (get_le<std::uint64_t>(bytes, size - 8) != XXH3_64bits(bytes.data(), size - 8)) {
        throw std::runtime_error("its checksum is wrong");
    }
}

PairId get_pair(std::span<const std::byte> bytes)
{
    PairId pair{};
    std::ranges::copy(bytes.subspan(at::pair, pair.size()), pair.begin());
    return pair;
}

}  // namespace

std::string_view to_string(Kind kind)
{
    switch (kind) {
    case Kind::hello: return "hello";
    case Kind::start: return "start";
    case Kind::checkpoint: return "checkpoint";
    case Kind::sync_begin: return "sync-begin";
    case Kind::sync_progress: return "sync-progress";
    case Kind::sync_end: return "sync-end";
    case Kind::map_taken: return "map-taken";
    case Kind::goodbye: return "goodbye";
    }
    return "unknown";
}

std::array<std::byte, command_bytes> encode(const Command& command)
{
    std::array<std::byte, command_bytes> bytes{};
    put_le(bytes, at::magic, command_magic);
    put_le(bytes, at::version, version);
    put_le(bytes, at::first, static_cast<std::uint32_t>(command.kind));
    put_le(bytes, at::sequence, command.sequence);
    put_le(bytes, at::session, command.session);
    std::ranges::copy(command.pair, bytes.begin() + at::pair);
    put_le(bytes, at::epoch, command.epoch);
    put_le(bytes, at::device_size, command.device_size);
    put_le(bytes, at::checkpoint, command.checkpoint);
    put_le(bytes, command_at::done, command.done);
    put_le(bytes, command_at::total, command.total);
    put_le(bytes, command_at::moment, command.moment);
    put_le(bytes, command_at::flags, command.flags);
    seal(bytes);
    return bytes;
}

Command decode_command(std::span<const std::byte> bytes)
{
    check(bytes, command_bytes, command_magic);
    const auto kind = get_le<std::uint32_t>(bytes, at::first);
    if (kind < static_cast<std::uint32_t>(Kind::hello) ||
        kind > static_cast<std::uint32_t>(Kind::goodbye)) {
        throw std::runtime_error(fmt::format("command {} is unknown", kind));
    }
    Command command;
    command.kind = static_cast<Kind>(kind);
    command.flags = get_le<std::uint32_t>(bytes, command_at::flags);
    if ((command.flags & ~flag_full) != 0) {
        throw std::runtime_error(fmt::format("flags {:#x} are unknown", command.flags));
    }
    command.sequence = get_le<std::uint64_t>(bytes, at::sequence);
    command.session = get_le<std::uint64_t>(bytes, at::session);
    command.pair = get_pair(bytes);
    command.epoch = get_le<std::uint64_t>(bytes, at::epoch);
    command.device_size = get_le<std::uint64_t>(bytes, at::device_size);
    command.checkpoint = get_le<std::uint64_t>(bytes, at::checkpoint);
    command.done = get_le<std::uint64_t>(bytes, command_at::done);
    command.total = get_le<std::uint64_t>(bytes, command_at::total);
    command.moment = get_le<std::uint64_t>(bytes, command_at::moment);
    return command;
}

std::array<std::byte, status_bytes> encode(const Status& status)
{
    std::array<std::byte, status_bytes> bytes{};
    put_le(bytes, at::magic, status_magic);
    put_le(bytes, at::version, version);
    put_le(bytes, at::first, static_cast<std::uint32_t>(status.refusal));
    put_le(bytes, at::sequence, status.sequence);
    put_le(bytes, at::session, status.session);
    std::ranges::copy(status.pair, bytes.begin() + at::pair);
    put_le(bytes, at::epoch, status.epoch);
    put_le(bytes, at::device_size, status.device_size);
    put_le(bytes, at::checkpoint, status.checkpoint);
    put_le(bytes, status_at::checkpoint_time, status.checkpoint_time);
    put_le(bytes, status_at::hidden_bytes, status.hidden_bytes);
    put_le(bytes, status_at::active_bytes, status.active_bytes);
    put_le(bytes, status_at::map_granularity, status.map_granularity);
    put_le(bytes, status_at::map_bytes, status.map_bytes);
    put_le(bytes, status_at::instance, status.instance);
    put_le(bytes, status_at::state, static_cast<std::uint32_t>(status.state));
    put_le(bytes, status_at::role, static_cast<std::uint32_t>(status.role));
    put_le(bytes, status_at::flags,
           (status.consistent ? flag_consistent : 0U) | (status.syncing ? flag_syncing : 0U) |
               (status.needs_full ? flag_needs_full : 0U) |
               (status.was_primary ? flag_was_primary : 0U));
    put_le(bytes, status_at::error, status.error);
    const std::string_view text = std::string_view(status.text).substr(0, largest_text);
    put_le(bytes, status_at::text_length, static_cast<std::uint32_t>(text.size()));
    put_text(std::span(bytes).subspan(status_at::text, largest_text), text);
    seal(bytes);
    return bytes;
}

Status decode_status(std::span<const std::byte> bytes)
{
    check(bytes, status_bytes, status_magic);
    const auto refusal = get_le<std::uint32_t>(bytes, at::first);
    const auto state = get_le<std::uint32_t>(bytes, status_at::state);
    const auto role = get_le<std::uint32_t>(bytes, status_at::role);
    const auto length = get_le<std::uint32_t>(bytes, status_at::text_length);
    if (refusal > static_cast<std::uint32_t>(Refusal::timeout) ||
        state > static_cast<std::uint32_t>(State::done) ||
        role > static_cast<std::uint32_t>(Role::promoted) || length > largest_text) {
        throw std::runtime_error("it has values that are unknown");
    }
    const auto flags = get_le<std::uint32_t>(bytes, status_at::flags);
    Status status;
    status.refusal = static_cast<Refusal>(refusal);
    status.state = static_cast<State>(state);
    status.role = static_cast<Role>(role);
    status.sequence = get_le<std::uint64_t>(bytes, at::sequence);
    status.session = get_le<std::uint64_t>(bytes, at::session);
    status.pair = get_pair(bytes);
    status.epoch = get_le<std::uint64_t>(bytes, at::epoch);
    status.device_size = get_le<std::uint64_t>(bytes, at::device_size);
    status.checkpoint = get_le<std::uint64_t>(bytes, at::checkpoint);
    status.checkpoint_time = get_le<std::uint64_t>(bytes, status_at::checkpoint_time);
    status.hidden_bytes = get_le<std::uint64_t>(bytes, status_at::hidden_bytes);
    status.active_bytes = get_le<std::uint64_t>(bytes, status_at::active_bytes);
    status.map_granularity = get_le<std::uint64_t>(bytes, status_at::map_granularity);
    status.map_bytes = get_le<std::uint64_t>(bytes, status_at::map_bytes);
    status.instance = get_le<std::uint64_t>(bytes, status_at::instance);
    status.consistent = (flags & flag_consistent) != 0;
    status.syncing = (flags & flag_syncing) != 0;
    status.needs_full = (flags & flag_needs_full) != 0;
    status.was_primary = (flags & flag_was_primary) != 0;
    status.error = get_le<std::uint32_t>(bytes, status_at::error);
    status.text = std::string(get_text(bytes.subspan(status_at::text, length)));
    return status;
}

}  // namespace resilience::replication::wire
