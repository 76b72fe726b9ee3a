// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/layer.h"

#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/random_id.h"
#include "common/format/little_endian.h"

namespace resilience::replication {

namespace {

// In bytes from the start of the owner's part of the header.
namespace at {
constexpr std::size_t partner = 0;
constexpr std::size_t checkpoint = 8;
constexpr std::size_t checkpoint_time = 16;
constexpr std::size_t moment = 24;
constexpr std::size_t state = 32;
constexpr std::size_t flags = 36;
constexpr std::size_t end = 40;
}  // namespace at

enum Flag : std::uint32_t { flag_syncing = 1, flag_nothing_saved = 2 };

constexpr std::string_view hidden_key = "replication-hidden";
constexpr std::string_view active_key = "replication-active";

/// Opens or makes one of the two; `header` is for a new one.
std::unique_ptr<Layer> open_layer(std::string_view key, const std::string& path,
                                  const mapfile::Header& wanted)
{
    const ClusteredFileWords words{
        .key = std::string(key),
        .device = "disk",
        .lengths = "Active disk, hidden disk, secondary disk's length are not the same: ",  // QEMU's
        .lost = "What the disk held at the last checkpoint cannot be known any more.  Restore "
                "active, hidden and their maps from a backup",
        .anew = "remove the four files (active, hidden and their maps), and the disk is as the "
                "primary left it, without a checkpoint, until the primary has made the next one",
    };
    auto layer = std::make_unique<Layer>(words, path, wanted);
    if (layer->size() != wanted.device_size) {
        layer->fail_length(wanted.device_size);
    }
    return layer;
}

LayerHeader header_of(const Layer& layer)
{
    try {
        return decode_layer_header(layer.header().owner);
    } catch (const mapfile::Damaged& damage) {
        layer.fail_damaged(damage.what());
    }
}

}  // namespace

std::vector<std::byte> encode_layer_header(const LayerHeader& header)
{
    std::vector<std::byte> out(at::end);
    put_le(out, at::partner, header.partner);
    put_le(out, at::checkpoint, header.checkpoint);
    put_le(out, at::checkpoint_time, header.checkpoint_time);
    put_le(out, at::moment, header.moment);
    put_le(out, at::state, static_cast<std::uint32_t>(header.state));
    put_le(out, at::flags,
           (header.syncing ? flag_syncing : 0U) |
               (header.nothing_saved ? flag_nothing_saved : 0U));
    return out;
}

LayerHeader decode_layer_header(const std::vector<std::byte>& bytes)
{
    if (bytes.size() != at::end) {
        throw mapfile::Damaged(fmt::format("the header has {} bytes of replication's, not {}",
                                           bytes.size(), at::end));
    }
    const auto state = get_le<std::uint32_t>(bytes, at::state);
    const auto flags = get_le<std::uint32_t>(bytes, at::flags);
    if (state > static_cast<std::uint32_t>(State::done)) {
        throw mapfile::Damaged(fmt::format("the header's state is {}", state));
    }
    if ((flags & ~(flag_syncing | flag_nothing_saved)) != 0) {
        throw mapfile::Damaged(
            fmt::format("the header has flags that this version does not know ({:#x})", flags));
    }
    LayerHeader header;
    header.partner = get_le<std::uint64_t>(bytes, at::partner);
    header.checkpoint = get_le<std::uint64_t>(bytes, at::checkpoint);
    header.checkpoint_time = get_le<std::uint64_t>(bytes, at::checkpoint_time);
    header.moment = get_le<std::uint64_t>(bytes, at::moment);
    header.state = static_cast<State>(state);
    header.syncing = (flags & flag_syncing) != 0;
    header.nothing_saved = (flags & flag_nothing_saved) != 0;
    return header;
}

Layers open_layers(const Options& options, std::uint64_t size, Identity& identity)
{
    const bool hidden_known = Layer::exists(options.hidden);
    const bool active_known = Layer::exists(options.active);
    if (hidden_known != active_known) {
        throw SetupError(fmt::format(
            "{}: its map '{}' is gone, and that of {}='{}' is there; they belong together.  "
            "Bring it back; or remove both files and both maps to begin without a checkpoint",
            hidden_known ? active_key : hidden_key,
            Layer::map_path(hidden_known ? options.active : options.hidden),
            hidden_known ? hidden_key : active_key,
            hidden_known ? options.hidden : options.active));
    }
    mapfile::Header hidden;
    hidden.kind = "hidden";
    hidden.cluster_size = options.cluster_size;
    hidden.device_size = size;
    hidden.id = random_id();
    mapfile::Header active = hidden;
    active.kind = "active";
    active.id = random_id();
    hidden.owner = encode_layer_header({.partner = active.id});
    active.owner = encode_layer_header({.partner = hidden.id});

    Layers layers;
    layers.active = open_layer(active_key, options.active, active);
    layers.hidden = open_layer(hidden_key, options.hidden, hidden);
    layers.header = header_of(*layers.hidden);
    const std::uint64_t id = layers.hidden->header().id;
    if (layers.header.partner != layers.active->header().id ||
        header_of(*layers.active).partner != id) {
        throw SetupError(fmt::format("{}='{}' and {}='{}' do not belong together: each was made "
                                     "for another partner",
                                     hidden_key, options.hidden, active_key, options.active));
    }
    if (identity.hidden != 0 && identity.hidden != id) {
        if (!layers.hidden->is_new()) {
            throw SetupError(fmt::format("{}='{}' belongs to another disk: the identity '{}' knows "
                                         "of another one",
                                         hidden_key, options.hidden, options.identity));
        }
        if (identity.consistent && identity.role != Role::promoted) {
            log::warning("replication: {}: the files of active and hidden are gone, and with them "
                         "the last checkpoint: there is nothing to fail over to until the primary "
                         "has made the next one",
                         options.name);
            identity.consistent = false;
        }
    }
    identity.hidden = id;
    const std::uint64_t generation = layers.hidden->header().generation;
    layers.hidden->load(generation);
    layers.active->load(generation);
    return layers;
}

}  // namespace resilience::replication
