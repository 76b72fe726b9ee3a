// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The map beside hidden and active: pages in two slots each, with the sectors
// and checksums of common/format/allocation_map.h, and its own content.
//
// Each page says in which generation it was written, and hidden's header says
// which generation counts.  So one write of the header empties both files,
// whatever they hold.  docs/formats/replication.md has the tables.

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/format/allocation_map.h"
#include "filters/replication/pair/state.h"

namespace resilience::replication {

using mapfile::Damaged;
using ClusterState = mapfile::State;  ///< absent, data, zero

enum class LayerKind : std::uint32_t { hidden = 1, active = 2 };

struct LayerHeader {
    LayerKind kind = LayerKind::hidden;
    std::uint32_t cluster_size = 4096;  ///< bytes
    std::uint64_t device_size = 0;      ///< bytes
    std::uint64_t id = 0;               ///< random; part of every checksum
    std::uint64_t partner = 0;          ///< the other map's id

    // Of hidden only.
    State state = State::none;
    std::uint64_t generation = 1;
    std::uint64_t checkpoint = 0;       ///< number of the last one
    std::uint64_t checkpoint_time = 0;  ///< ns since 1970
    bool syncing = false;               ///< between sync-begin and sync-end
    bool nothing_saved = false;         ///< there is no checkpoint, so nothing is kept
    std::uint64_t moment = 0;           ///< of the checkpoint of a group; 0: of none

    friend bool operator==(const LayerHeader&, const LayerHeader&) = default;
};

/// What a page of states holds: its generation, then two bits per cluster.
constexpr std::size_t layer_page_head = 8;
constexpr std::uint64_t layer_clusters_per_page =
    (mapfile::payload_of_page - layer_page_head) * 4;

constexpr std::uint64_t count_layer_pages(std::uint64_t device_size, std::uint32_t cluster_size)
{
    return (mapfile::count_clusters(device_size, cluster_size) + layer_clusters_per_page - 1) /
           layer_clusters_per_page;
}
/// The only length that such a map can have.
constexpr std::uint64_t layer_map_bytes(std::uint64_t device_size, std::uint32_t cluster_size)
{
    return mapfile::file_bytes(1 + count_layer_pages(device_size, cluster_size));
}

mapfile::Payload encode_layer_header(const LayerHeader& header);
/// Reads the header from the first two slots of a file (`bytes` may be short);
/// `page` gets where it stood.  Throws Damaged.
LayerHeader decode_layer_header(std::span<const std::byte> bytes, mapfile::Page& page);

std::uint64_t page_generation(const mapfile::Payload& payload);
void put_page_generation(mapfile::Payload& payload, std::uint64_t generation);

/// `index`: 0 ... layer_clusters_per_page - 1.  Throws Damaged for a value
/// without a meaning.
ClusterState get_cluster(const mapfile::Payload& payload, std::uint64_t index);
void put_cluster(mapfile::Payload& payload, std::uint64_t index, ClusterState state);

}  // namespace resilience::replication
