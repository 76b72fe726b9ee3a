// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The copy: a clustered file (common/store/clustered_file.h), and what the header
// of its map says of the source.
//
// What a state that a crash has lost means here:
//
//   * A fetched cluster is fetched again.
//   * A guest's write was never flushed.  Its cluster is the source's again, as a
//     whole: bytes of it that did reach the file are punched out when the file is
//     opened, before anybody can see a mixture.
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
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "common/device/range_lock.h"
#include "common/store/clustered_file.h"
#include "filters/copy-on-read/options.h"

namespace resilience::cor {

/// What the header of the map has of ours.
struct CopyHeader {
    bool complete = false;                     ///< no cluster is absent
    std::optional<std::uint64_t> fingerprint;  ///< of the source's content, once it was taken
    std::string source;                        ///< which source it is; may be empty

    friend bool operator==(const CopyHeader&, const CopyHeader&) = default;
};

/// The longest text for CopyHeader::source; a longer one is cut off.
inline constexpr std::size_t largest_source = mapfile::largest_owner - 16;

std::vector<std::byte> encode_copy_header(const CopyHeader& header);
/// Throws mapfile::Damaged.
CopyHeader decode_copy_header(std::span<const std::byte> bytes);

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

    const std::string& path() const { return file_.path(); }
    std::uint64_t size() const { return file_.size(); }
    const ClusterMap& map() const { return file_; }
    CopyHeader header() const;

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

    /// Makes durable what was written and set before the call.  Several callers
    /// share one sync.
    int sync() { return file_.commit(); }
    bool dirty() const { return file_.dirty(); }

    /// Notes in the header what is known only later; durable on return.
    int set_fingerprint(std::uint64_t fingerprint);
    int set_complete();

private:
    RangeLock::Guard take_turn(std::uint64_t begin, std::uint64_t end, LockMode mode);
    void check(const Options& options, std::optional<std::uint64_t> source_size) const;
    void reconcile();
    int write_header(const CopyHeader& next);

    ClusteredFile file_;
    const std::chrono::nanoseconds patience_;  ///< with a file system that hangs
    RangeLock turns_{real_clock()};
    /// An absent cluster may have data in the file, of a write that failed.
    std::atomic<bool> leftovers_{false};

    mutable std::mutex mutex_;
    CopyHeader header_;
};

}  // namespace resilience::cor
