// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The layers above the disk: hidden (what the disk held at the last checkpoint)
// and active (what the secondary itself wrote), each a clustered file
// (common/store/clustered_file.h), and what the header of hidden's map says beside
// it.
//
// A state that a crash has lost is harmless in both: the disk is not written
// before hidden's commit() has returned, and a write of the secondary's own that
// was not flushed may be lost.  Which generation counts stands in hidden's header
// for both, so one write of it empties them at the same moment.
// docs/formats/replication.md has the table.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/store/clustered_file.h"
#include "filters/replication/pair/identity.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/pair/state.h"

namespace resilience::replication {

using Layer = ClusteredFile;

/// The owner's part of the headers.
struct LayerHeader {
    std::uint64_t partner = 0;  ///< the other map's id

    // Of hidden only.
    State state = State::none;
    std::uint64_t checkpoint = 0;       ///< number of the last one
    std::uint64_t checkpoint_time = 0;  ///< ns since 1970
    bool syncing = false;               ///< between sync-begin and sync-end
    bool nothing_saved = false;         ///< there is no checkpoint, so nothing is kept
    std::uint64_t moment = 0;           ///< of the checkpoint of a group; 0: of none

    friend bool operator==(const LayerHeader&, const LayerHeader&) = default;
};

std::vector<std::byte> encode_layer_header(const LayerHeader& header);
/// Throws mapfile::Damaged.
LayerHeader decode_layer_header(const std::vector<std::byte>& bytes);

/// Hidden and active, which belong together.
struct Layers {
    std::unique_ptr<Layer> hidden;
    std::unique_ptr<Layer> active;
    LayerHeader header;  ///< hidden's
};

/// Opens or makes both files, for a disk of `size` bytes.  `identity` is corrected
/// when the checkpoint that it speaks of is gone with them.  Throws SetupError.
Layers open_layers(const Options& options, std::uint64_t size, Identity& identity);

}  // namespace resilience::replication
