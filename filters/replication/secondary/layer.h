// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One layer above the disk: hidden (what the disk held at the last checkpoint)
// or active (what the secondary itself wrote), a sparse file and its map.
//
// The rule that everything rests on: a state is set after its data were
// written, and becomes durable after they are durable.  So a crash leaves a map
// that knows too little, never one that knows too much.  Too little is harmless
// in both layers: the disk is not written before commit() has returned, and a
// write of the secondary's own that was not flushed may be lost.
//
// Who commits at the same time shares one sync of the data and one of the map.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/core/unique_fd.h"
#include "common/file/file_io.h"
#include "common/file/file_open.h"
#include "filters/replication/secondary/layer_format.h"
#include "filters/replication/secondary/layer_map_file.h"

namespace resilience::replication {

/// Clusters [first, last).
struct Clusters {
    std::uint64_t first = 0;
    std::uint64_t last = 0;

    std::uint64_t count() const { return last - first; }
    bool empty() const { return first >= last; }
    friend bool operator==(const Clusters&, const Clusters&) = default;
};

/// Neighbours of one state.
struct ClusterRun {
    Clusters clusters;
    ClusterState state = ClusterState::absent;
};

/// Thread-safe, but two threads must not change the same cluster at a time, nor
/// change one that another reads (the range lock sees to that).  Errors are
/// positive errno values.
class Layer {
public:
    /// Opens PATH and PATH.map, or makes them for `wanted` (of which id,
    /// generation and the rest may be set as they should be then).  `key` is the
    /// parameter, for messages.  Throws SetupError.
    static std::unique_ptr<Layer> open(const std::string& key, const std::string& path,
                                       const LayerHeader& wanted);

    Layer(OpenedFile file, UniqueFd lock, std::unique_ptr<LayerMapFile> map, bool is_new);

    /// Whether the files have just been made.
    bool is_new() const { return is_new_; }
    /// Hidden's may change: under a lock that keeps that from happening.
    const LayerHeader& header() const { return map_file_->header(); }
    /// For information, at any time.
    LayerHeader header_copy() const;
    const std::string& map_path() const { return map_file_->path(); }
    std::uint64_t size() const { return size_; }
    std::uint32_t cluster_size() const { return cluster_size_; }
    std::uint64_t clusters() const { return clusters_; }

    /// Reads the states; those of another generation than `generation` are
    /// absent.  Once, before anything else.  Throws SetupError.
    void load(std::uint64_t generation);

    /// The clusters that bytes [begin, end) touch.
    Clusters touched(std::uint64_t begin, std::uint64_t end) const;
    std::uint64_t begin_of(std::uint64_t cluster) const { return cluster * cluster_size_; }
    /// Where the clusters before `last` end; never behind the disk.
    std::uint64_t end_of(std::uint64_t last) const;

    ClusterState get(std::uint64_t cluster) const;
    /// `range` as runs, in order, without gaps.
    std::vector<ClusterRun> runs(Clusters range) const;
    /// Whether all of them are absent.
    bool all_absent(Clusters range) const;
    /// The first cluster from `from` on that is not absent; clusters() if none is.
    std::uint64_t next_present(std::uint64_t from) const;
    /// What is not absent, in bytes.
    std::uint64_t bytes() const;

    void set(Clusters range, ClusterState state);

    int read(std::uint64_t offset, std::span<std::byte> into) { return io_.read(offset, into); }
    int write(std::uint64_t offset, std::span<const std::byte> from)
    {
        return io_.write(offset, from, false);
    }
    int write_zeroes(std::uint64_t offset, std::uint64_t length)
    {
        return io_.write_zeroes(offset, length);
    }

    /// Makes durable what was written and set before the call: the data, then
    /// the states.
    int commit();
    /// How often that was done; many callers share one.
    std::uint64_t commits() const { return commits_; }

    /// Writes hidden's header durably.  It does not change the memory.
    int write_header(const LayerHeader& header);
    /// Everything is absent, in memory: the header on disk says so already.
    void empty(std::uint64_t generation);

    /// Gives back the space of what is absent or zeroes in [begin, end), which
    /// nobody else must use meanwhile.
    void give_back(ByteRange range);
    /// The first byte from `from` on that takes space; nullopt if none does.
    std::optional<std::uint64_t> next_space(std::uint64_t from) const;

private:
    struct Page {
        mapfile::Payload payload{};  ///< as on disk; of another generation: empty
        bool dirty = false;
    };

    const Page* current(std::uint64_t page) const;
    Page& make_current(std::uint64_t page);
    int commit_now();

    const OpenedFile file_;
    const UniqueFd lock_;  ///< holds the advisory lock; all I/O goes through file_
    FileIo io_;
    const std::unique_ptr<LayerMapFile> map_file_;
    const bool is_new_;
    const std::uint64_t size_;
    const std::uint32_t cluster_size_;
    const std::uint64_t clusters_;

    mutable std::shared_mutex mutex_;  ///< what follows
    std::vector<std::unique_ptr<Page>> pages_;  ///< null: never written in this life
    std::vector<std::uint64_t> dirty_;          ///< pages that differ from the file
    std::uint64_t generation_ = 0;
    std::uint64_t present_ = 0;                 ///< clusters

    std::atomic<std::uint64_t> commits_{0};
    std::atomic<std::uint64_t> wanted_{0};  ///< commits asked for
    mutable std::mutex header_mutex_;       ///< of map_file_'s header
    std::mutex commit_mutex_;               ///< one commit at a time; what follows
    std::uint64_t done_ = 0;                ///< of wanted_: those that have ended
    int result_ = 0;
};

}  // namespace resilience::replication
