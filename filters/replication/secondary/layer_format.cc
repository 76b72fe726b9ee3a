// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/layer_format.h"

#include <bit>

#include <fmt/format.h>

#include "common/format/little_endian.h"

namespace resilience::replication {

namespace {

/// "NBDRLAY\0" in the byte order of the disk.
constexpr std::uint64_t layer_magic = 0x0059414c5244424e;
constexpr std::uint32_t layer_version = 1;

// In bytes from the start of the header's payload.
namespace at {
constexpr std::size_t magic = 0;
constexpr std::size_t version = 8;
constexpr std::size_t cluster_size = 12;
constexpr std::size_t device_size = 16;
constexpr std::size_t id = 24;
constexpr std::size_t kind = 32;
constexpr std::size_t state = 36;
constexpr std::size_t generation = 40;
constexpr std::size_t checkpoint = 48;
constexpr std::size_t checkpoint_time = 56;
constexpr std::size_t partner = 64;
constexpr std::size_t flags = 72;
constexpr std::size_t moment = 80;
constexpr std::size_t end = 88;
}  // namespace at

// The id must be in the first sector, which is looked at before its checksum.
static_assert(at::end <= mapfile::payload_of_sector);
// Four clusters in a byte, so no byte is shared with the head.
static_assert(layer_page_head * 4 + layer_clusters_per_page == mapfile::clusters_per_page);

enum Flag : std::uint32_t { flag_syncing = 1, flag_nothing_saved = 2 };

void check(const LayerHeader& h, std::uint32_t kind, std::uint32_t state, std::uint32_t flags)
{
    if (!std::has_single_bit(h.cluster_size) || h.cluster_size < mapfile::smallest_cluster ||
        h.cluster_size > mapfile::largest_cluster) {
        throw Damaged(fmt::format("the header's cluster size is {}", h.cluster_size));
    }
    if (h.device_size == 0 || h.device_size > (std::uint64_t{1} << 62)) {
        throw Damaged(fmt::format("the header's disk size is {}", h.device_size));
    }
    if (kind != 1 && kind != 2) {
        throw Damaged(fmt::format("the header's kind is {}", kind));
    }
    if (state > static_cast<std::uint32_t>(State::done)) {
        throw Damaged(fmt::format("the header's state is {}", state));
    }
    if (h.generation == 0) {
        throw Damaged("the header's generation is 0");
    }
    if ((flags & ~(flag_syncing | flag_nothing_saved)) != 0) {
        throw Damaged(fmt::format("the header has flags that this version does not know ({:#x})",
                                  flags));
    }
}

}  // namespace

mapfile::Payload encode_layer_header(const LayerHeader& header)
{
    mapfile::Payload out{};
    put_le(out, at::magic, layer_magic);
    put_le(out, at::version, layer_version);
    put_le(out, at::cluster_size, header.cluster_size);
    put_le(out, at::device_size, header.device_size);
    put_le(out, at::id, header.id);
    put_le(out, at::kind, static_cast<std::uint32_t>(header.kind));
    put_le(out, at::state, static_cast<std::uint32_t>(header.state));
    put_le(out, at::generation, header.generation);
    put_le(out, at::checkpoint, header.checkpoint);
    put_le(out, at::checkpoint_time, header.checkpoint_time);
    put_le(out, at::partner, header.partner);
    put_le(out, at::moment, header.moment);
    put_le(out, at::flags,
           (header.syncing ? flag_syncing : 0U) |
               (header.nothing_saved ? flag_nothing_saved : 0U));
    return out;
}

LayerHeader decode_layer_header(std::span<const std::byte> bytes, mapfile::Page& page)
{
    if (bytes.size() < 2 * mapfile::page_bytes) {
        throw Damaged(fmt::format("it has {} bytes, the header alone has {}", bytes.size(),
                                  2 * mapfile::page_bytes));
    }
    if (get_le<std::uint64_t>(bytes, at::magic) != layer_magic) {
        throw Damaged("bytes 0 to 7 are not the magic number of such a map");
    }
    if (const auto found = get_le<std::uint32_t>(bytes, at::version); found != layer_version) {
        throw Damaged(
            fmt::format("bytes 8 to 11: its version is {}, known is {}", found, layer_version));
    }
    LayerHeader header;
    header.id = get_le<std::uint64_t>(bytes, at::id);
    page = mapfile::decode_page(bytes, header.id, 0);

    const std::span<const std::byte> payload = page.payload;
    const auto kind = get_le<std::uint32_t>(payload, at::kind);
    const auto state = get_le<std::uint32_t>(payload, at::state);
    const auto flags = get_le<std::uint32_t>(payload, at::flags);
    header.kind = static_cast<LayerKind>(kind);
    header.cluster_size = get_le<std::uint32_t>(payload, at::cluster_size);
    header.device_size = get_le<std::uint64_t>(payload, at::device_size);
    header.partner = get_le<std::uint64_t>(payload, at::partner);
    header.state = static_cast<State>(state);
    header.generation = get_le<std::uint64_t>(payload, at::generation);
    header.checkpoint = get_le<std::uint64_t>(payload, at::checkpoint);
    header.checkpoint_time = get_le<std::uint64_t>(payload, at::checkpoint_time);
    header.moment = get_le<std::uint64_t>(payload, at::moment);
    header.syncing = (flags & flag_syncing) != 0;
    header.nothing_saved = (flags & flag_nothing_saved) != 0;
    check(header, kind, state, flags);
    return header;
}

std::uint64_t page_generation(const mapfile::Payload& payload)
{
    return get_le<std::uint64_t>(payload, 0);
}

void put_page_generation(mapfile::Payload& payload, std::uint64_t generation)
{
    put_le(payload, 0, generation);
}

ClusterState get_cluster(const mapfile::Payload& payload, std::uint64_t index)
{
    const auto state = mapfile::get_state(payload, layer_page_head * 4 + index);
    if (!state) {
        throw Damaged(fmt::format("cluster {} of a page has a state without a meaning", index));
    }
    return *state;
}

void put_cluster(mapfile::Payload& payload, std::uint64_t index, ClusterState state)
{
    mapfile::put_state(payload, layer_page_head * 4 + index, state);
}

}  // namespace resilience::replication
