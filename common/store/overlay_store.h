// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where an overlay keeps what was written: a sparse file as large as the
// device, in which a byte stands where it stands on the device.
//
// A temporary one has no name (in $TMPDIR, else /var/tmp, like the overlays of
// nbdkit's own filters): it is in the page cache as long as there is room, and
// is gone with its last user, even if that is killed.
//
// A named one is two files: PATH, the content, and PATH.map, which says which
// of it counts (docs/formats/overlay.md).  The map is replaced by save(), after
// the content has become durable, so after a crash the overlay is as at the
// last save, perhaps with later writes in it: what a disk promises.

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "common/core/overlay_map.h"
#include "common/core/setup_error.h"
#include "common/file/file_io.h"
#include "common/file/file_open.h"

namespace resilience {

/// Thread-safe but for take_map() and save().  Errors of I/O are positive errno values.
class OverlayStore {
public:
    /// A file without a name.  Throws SetupError.
    static std::unique_ptr<OverlayStore> temporary(std::uint64_t size);

    /// Opens PATH and its map, or makes them.  `identity` is a number that
    /// tells what is below: it is kept in the map, and an overlay of something
    /// else is refused.  Nobody else can have it open at the same time; one
    /// that is just being closed is waited for, `patience` long.  Throws
    /// SetupError.
    static std::unique_ptr<OverlayStore> named(const std::string& path, std::uint64_t size,
                                               std::uint64_t identity,
                                               std::chrono::milliseconds patience);

    OverlayStore(OpenedFile file, std::string path, std::uint64_t identity, OverlayMap map);

    bool is_named() const { return !path_.empty(); }
    /// The map as it was when the store was opened; once.
    OverlayMap take_map() { return std::move(map_); }

    int read(std::uint64_t offset, std::span<std::byte> into) { return io_.read(offset, into); }
    int write(std::uint64_t offset, std::span<const std::byte> from)
    {
        return io_.write(offset, from, false);
    }
    /// The content of `range` is not needed any more.  Gives back its space,
    /// if that is possible.
    void forget(ByteRange range);

    /// Named: makes all that was written before durable, then `map`.
    int save(const OverlayMap& map);
    /// Named: removes the files.
    void remove();

private:
    const OpenedFile file_;
    FileIo io_;
    const std::string path_;  // empty: temporary
    const std::uint64_t identity_;
    OverlayMap map_;
};

}  // namespace resilience
