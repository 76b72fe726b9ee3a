// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A clustered file: a sparse file as long as a device, in which byte n stands for
// byte n of the device, and beside it a durable map that says of each cluster
// whether the file has it (data), whether it is zeroes (a hole), or whether it is
// somewhere else (absent).  Where else that is, its owner knows.
//
// The rule that everything rests on: a state is set after its data were written,
// and becomes durable after they are durable.  So a crash leaves a map that knows
// too little, never one that knows too much.  What too little means is the
// owner's to judge: that of a layer of replication does not write the disk before
// commit() has returned, a cluster that was fetched is fetched again, and a write
// that was not flushed may be lost.  But the file may then have data where the map
// says absent or zero.
//
// commit() keeps that order: it takes the pages with states, then syncs the data,
// then writes and syncs the pages.  What the pages say when they are taken was
// written before, so the sync covers it; what is set later is for the next commit.
// Who commits at the same time shares one sync of the data and one of the map.
// After a sync that has failed nobody knows what is on the disk, so every commit
// fails from then on (see SyncLedger), and what was taken stays dirty.
//
// Each page of states says in which generation it was written, and the header of
// the map says which one counts.  So one write of the header, which is atomic (see
// PageFile), empties the file, whatever it holds; or several files at the same
// moment, if they take the number from the header of one.  The memory is emptied
// afterwards (empty()), and the space given back in time (give_back()).
//
// The header has a part that means something only to the owner, and becomes
// durable as a whole with the rest of it.
//
// So both owners may rely on this, whenever the machine stops, and whatever is lost
// of writes that were not synced:
//
//   * What was written and set before a commit() that returned 0 is found again.
//   * A state that is found has its data, commit() or not; a page of states is the
//     one before a write of it or the one after, and so is the header.
//   * A map that is damaged in any byte, of another version, of another kind, or
//     without its file; a file that has content and no map, or another length than
//     its map says; and what another server has open: each is refused when it is
//     opened, with a message that says what is wrong, where, and what can be done,
//     and stays as it is.
//   * A file that was begun and never got its map is begun again.
//
// What it cannot see: that a whole older map, or a whole older file, was put back.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/core/unique_fd.h"
#include "common/file/file_io.h"
#include "common/file/file_open.h"
#include "common/file/file_zero.h"
#include "common/store/cluster_map.h"
#include "common/store/page_file.h"

namespace resilience {

/// How an owner's files are called in messages.
struct ClusteredFileWords {
    std::string key;      ///< the parameter that names the file
    std::string device;   ///< what it must be as long as: "source", "disk"
    std::string lengths;  ///< stands before what is said of a wrong length; may be empty
    std::string lost;     ///< a damaged map: what is not known any more, and a way to mend it
    std::string anew;     ///< "remove ...": how to begin without what the file has
};

/// A clustered file, and its map in memory.  Thread-safe, but two threads must not
/// change the same cluster at a time, nor change one that another reads (a range
/// lock of the owner sees to that).  Errors are positive errno values.
class ClusteredFile : public ClusterMap {
public:
    static std::string map_path(const std::string& path) { return path + ".map"; }
    /// Whether there is a map for the file `path`.  Throws SetupError.
    static bool exists(const std::string& path);

    /// Opens `path` and its map, and locks both against other servers; or makes
    /// them, with all that `wanted` says.  The header of files that were there is
    /// the owner's to compare with `wanted`, but for its kind.  Throws SetupError,
    /// which says what to do.
    ClusteredFile(ClusteredFileWords words, const std::string& path,
                  const mapfile::Header& wanted);

    /// Reads the states; those of another generation than `generation` are absent.
    /// Once, before anything else.  Throws SetupError.
    void load(std::uint64_t generation);

    const std::string& path() const { return path_; }
    std::string map_path() const { return map_path(path_); }
    /// Whether the files have just been made.
    bool is_new() const { return is_new_; }
    /// Not while write_header() runs.
    const mapfile::Header& header() const { return pages_->header(); }
    const OpenedFile& file() const { return file_; }

    int read(std::uint64_t offset, std::span<std::byte> into) { return io_.read(offset, into); }
    int write(std::uint64_t offset, std::span<const std::byte> from);
    int write_zeroes(std::uint64_t offset, std::uint64_t length);
    /// In the cheapest way; see FileZero.
    int zero(std::uint64_t offset, std::uint64_t length, const Flags& flags);

    /// Makes durable what was written and set before the call: the data, then
    /// the states.
    int commit();
    /// Whether there is anything to commit.
    bool dirty() const { return ClusterMap::dirty() || unsynced_.load(); }
    /// How often that was done; many callers share one.
    std::uint64_t commits() const { return commits_; }

    /// Writes the header with another generation and owner's part, durably.  It
    /// does not change the memory.
    int write_header(std::uint64_t generation, std::span<const std::byte> owner);

    /// Gives back the space of what is absent or zeroes in [begin, end), which
    /// nobody else must use meanwhile.  Commits first, so that no state that is
    /// found after a crash lacks its data; nothing is given back if that fails.
    void give_back(ByteRange range);
    /// The first byte from `from` on that takes space; nullopt if none does.
    std::optional<std::uint64_t> next_space(std::uint64_t from) const;

    /// Throws SetupError: the map is damaged, in this way.
    [[noreturn]] void fail_damaged(const std::string& what) const { pages_->fail_damaged(what); }
    /// Throws SetupError: the device has not the length of the file.
    [[noreturn]] void fail_length(std::uint64_t device_size) const;

private:
    struct Parts;
    static Parts open_parts(const ClusteredFileWords& words, const std::string& path,
                            const mapfile::Header& wanted);
    ClusteredFile(ClusteredFileWords words, const std::string& path, Parts parts);
    int commit_now();
    bool is_settled();

    const ClusteredFileWords words_;
    const std::string path_;
    const UniqueFd lock_;  ///< holds the advisory lock; all I/O goes through file_
    const OpenedFile file_;
    FileIo io_{file_};
    FileZero zero_{file_, io_};
    const std::unique_ptr<PageFile> pages_;
    const bool is_new_;
    std::atomic<bool> unsynced_{false};  ///< data were written since the last sync began

    std::atomic<std::uint64_t> commits_{0};
    std::atomic<std::uint64_t> wanted_{0};  ///< commits asked for
    std::mutex mutex_;                      ///< one commit at a time; what follows
    std::uint64_t done_ = 0;                ///< of wanted_: those that have ended
    int result_ = 0;
};

}  // namespace resilience
