// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The copy: a sparse raw file, and the map beside it that says which clusters
// of it hold something.
//
// The rule that everything rests on: a state is set after its data were
// written, and becomes durable after they are durable.  So what a crash leaves
// behind is a map that knows too little, never one that knows too much:
//
//   * A fetched cluster whose state was lost is fetched again.
//   * A guest's write whose state was lost was never flushed.  Its cluster is
//     the source's again, as a whole: bytes of it that did reach the file are
//     punched out when the file is opened, before anybody can see a mixture.
//   * A guest's write into a cluster that the durable map calls zero is seen,
//     all of it or some of its sectors.  Nobody was promised more.  But then
//     the cluster is no zero any more, and must not be reported as one, so
//     what the map calls zero and the file has data for is data from then on.
//
// Afterwards, and as long as this object lives, an absent cluster is a hole.
//
// A file is no disk: Linux lets a read see a write half done, in the middle of a
// sector even (ext4 and tmpfs do).  Guests rely on whole sectors, so reads and
// changes that overlap take turns here, for as long as the file needs and never
// while anybody waits for the source.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "common/core/unique_fd.h"
#include "common/device/range_lock.h"
#include "common/file/file_io.h"
#include "common/file/file_open.h"
#include "common/file/file_zero.h"
#include "filters/copy-on-read/cluster_map.h"
#include "filters/copy-on-read/map_file.h"
#include "filters/copy-on-read/options.h"

namespace resilience::cor {

/// Errors of members are positive errno values.  Thread-safe, but two threads
/// must not change the same cluster at a time (the range lock sees to that).
class LocalCopy {
public:
    /// Whether there is a map for the copy `options` name, so that the source
    /// need not be there.
    static bool exists(const Options& options);

    /// Opens the copy, or makes it: then `source_size` must be given.  Where
    /// both are there they have to fit.  Throws SetupError.
    LocalCopy(const Options& options, std::optional<std::uint64_t> source_size);

    const std::string& path() const { return path_; }
    std::uint64_t size() const { return map_->device_size(); }
    ClusterMap& map() { return *map_; }
    const ClusterMap& map() const { return *map_; }
    mapfile::Header header() const;

    /// What is local, in whole sectors as some write left them.
    int read(std::uint64_t offset, std::span<std::byte> into);

    /// Keeps what the source has for these clusters; those that are zeroes stay
    /// holes.  On failure they stay absent.
    int store(Clusters clusters, std::span<const std::byte> data);
    /// The source has nothing but zeroes there.  Leaves alone what is local.
    int store_zeroes(Clusters clusters);

    /// A guest's.  Clusters that are touched in part must not be absent.
    int write(std::uint64_t offset, std::span<const std::byte> from);
    int zero(std::uint64_t offset, std::uint64_t length, const Flags& flags);

    /// Makes durable what was written and set before the call: the data, then
    /// the states.  Several callers share one sync.
    int sync();
    bool dirty() const { return map_->dirty() || unsynced_.load(); }

    /// Notes in the header what is known only later; durable on return.
    int set_fingerprint(std::uint64_t fingerprint);
    int set_complete();

private:
    RangeLock::Guard take_turn(std::uint64_t begin, std::uint64_t end, LockMode mode);
    void make(const Options& options, std::optional<std::uint64_t> source_size);
    void check(const Options& options, std::optional<std::uint64_t> source_size);
    void reconcile();
    int sync_now();

    const std::string path_;
    const std::chrono::nanoseconds patience_;  ///< with a file system that hangs
    RangeLock turns_{real_clock()};
    UniqueFd lock_;  ///< holds the advisory lock; all I/O goes through file_
    OpenedFile file_;
    std::unique_ptr<FileIo> io_;
    std::unique_ptr<FileZero> zero_;
    std::unique_ptr<MapFile> map_file_;
    std::unique_ptr<ClusterMap> map_;
    /// An absent cluster may have data in the file, of a write that failed.
    std::atomic<bool> leftovers_{false};
    std::atomic<bool> unsynced_{false};  ///< data were written since the last sync began

    std::atomic<std::uint64_t> wanted_{0};  ///< syncs asked for
    mutable std::mutex mutex_;              ///< one sync at a time; what follows
    std::uint64_t done_ = 0;                ///< of wanted_: those that have ended
    int result_ = 0;
};

}  // namespace resilience::cor
