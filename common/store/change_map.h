// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A dirty bitmap that survives: DirtyBitmap in memory, changemap on disk.
//
// Whoever writes to the device calls set() before, and goes on only when it has
// returned 0: then the bits are in the file, and after a power loss at least
// their groups are.  Clearing is lazy: a bit that is still in the file costs a
// copy too many, and nothing else.
//
// set() costs next to nothing where the bits are set already, one write of 512 bytes
// where not, and a sync where the group is not open (see change_map.h).  Groups
// are closed again by settle(), once their bits have been synced and nobody has
// set one for a while.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/core/setup_error.h"
#include "common/core/unique_fd.h"
#include "common/file/sync_ledger.h"
#include "common/format/change_map.h"

namespace resilience {

/// Thread-safe, except open, create and close.
class ChangeMap {
public:
    /// In memory only; everything is dirty.
    ChangeMap(std::uint64_t size, std::uint32_t granularity);

    /// Opens the map at `path` for a device of `size` bytes, or makes one in
    /// which everything is dirty.  Locks the file.  Throws SetupError, which
    /// names the file and says what to do.
    /// `boot_id`: of the running machine, see machine_boot_id().
    static std::unique_ptr<ChangeMap> open(const std::string& path, std::uint64_t size,
                                           std::uint32_t granularity,
                                           const changemap::Uuid& boot_id);

    /// Closes the file in good order, unless close() was called.
    ~ChangeMap();
    ChangeMap(const ChangeMap&) = delete;
    ChangeMap& operator=(const ChangeMap&) = delete;

    const DirtyBitmap& bits() const { return bits_; }
    /// Whether open() had to take groups as a whole, after a power loss.
    bool recovered() const { return recovered_; }
    /// Whether there was a file to open.
    bool existed() const { return existed_; }

    /// The bits are about the copy `pair` holds, since `checkpoint`.
    changemap::Uuid pair() const;
    std::uint64_t checkpoint() const;
    /// Changes that, durably.  0 or a positive errno.
    int set_base(const changemap::Uuid& pair, std::uint64_t checkpoint);

    /// Marks the granules that `range` touches.  0: they are marked, in the
    /// file too.  Else a positive errno: the write must not be done.
    int set(ByteRange range);
    /// Unmarks the granules that lie wholly inside `range`.
    void clear(ByteRange range);
    /// Unmarks all granules but those marked in `kept` or in `also` (of the same
    /// size and granularity).  Who marks a granule there before it calls set()
    /// here can be sure that it stays marked, whatever the other threads do.
    void retain(const DirtyBitmap& kept, const DirtyBitmap& also);
    void retain(const DirtyBitmap& kept) { retain(kept, kept); }

    /// Writes what was cleared, makes it all durable, and closes groups that
    /// nobody has written to since the last call but one.  Call it every now
    /// and then.  0 or a positive errno.
    int settle();
    /// Makes all of it durable and says so in the header.  set() fails from
    /// then on.  0 or a positive errno.
    int close();

private:
    struct Sector {
        std::uint64_t open_groups = 0;   ///< in the file, durably
        std::uint64_t used_groups = 0;   ///< a bit was set since settle()
        std::uint64_t idle_groups = 0;   ///< none was between the last two calls
        bool behind = false;             ///< bits were cleared that the file still has
    };

    ChangeMap(const std::string& path, UniqueFd fd, const changemap::Header& header);

    static constexpr std::size_t stripes = 64;
    std::mutex& mutex_of(std::uint64_t sector) { return mutexes_[sector % stripes]; }
    bool all_set(ByteRange range) const;
    int set_in_sector(std::uint64_t index, ByteRange range);
    int write_sector(std::uint64_t index, const changemap::Bits& bits);
    changemap::Bits bits_of(std::uint64_t index) const;
    void load();
    int write_header();
    int sync();

    const std::string path_;
    UniqueFd fd_;
    changemap::Header header_;
    std::uint64_t generation_ = 0;
    unsigned slot_ = 0;
    bool existed_ = false;
    bool recovered_ = false;
    mutable std::mutex header_mutex_;
    std::atomic<bool> closed_{false};
    DirtyBitmap bits_;
    std::array<std::mutex, stripes> mutexes_;
    std::vector<Sector> sectors_;
    SyncLedger ledger_;
};

/// What the kernel calls this run of the machine; zeroes where it does not say.
changemap::Uuid machine_boot_id();

}  // namespace resilience
