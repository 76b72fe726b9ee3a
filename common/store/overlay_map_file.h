// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The map of a named overlay on disk; docs/formats/overlay.md has the tables.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/core/overlay_map.h"
#include "common/core/setup_error.h"

namespace resilience {

/// What a map file holds.
struct OverlayMapFile {
    std::uint64_t device_size = 0;  ///< bytes
    std::uint64_t identity = 0;     ///< of what is below the overlay
    OverlayMap map;
};

std::vector<std::byte> encode(const OverlayMapFile& file);

/// Throws std::runtime_error, which says what is wrong with the bytes.
OverlayMapFile decode_overlay_map(std::span<const std::byte> bytes);

/// nullopt if there is no file.  Throws SetupError, which names the file.
std::optional<OverlayMapFile> read_overlay_map(const std::string& path);

/// Replaces the file, so that there is always the old one or the new one.
/// Returns 0 or a positive errno.
int write_overlay_map(const std::string& path, const OverlayMapFile& file);

}  // namespace resilience
