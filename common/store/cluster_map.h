// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "common/core/compare.h"
#include "common/format/allocation_map.h"
#include "common/store/page_file.h"

namespace resilience {

using ClusterState = mapfile::State;  ///< absent, data, zero

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

/// The map of a clustered file in memory: two bits per cluster, as they stand in
/// its pages, and which pages of the file are older than that.
///
/// A page belongs to a generation, as on disk, and one of another generation than
/// the map's is empty: so empty() takes no time, however much there was.
///
/// All members are safe to call from any thread; those that only look take no
/// lock.  A state that is seen was set after what it stands for was written, so
/// that can be read at once.  empty() must not run at the same time as set().
class ClusterMap {
public:
    ClusterMap(std::uint64_t device_size, std::uint32_t cluster_size);
    ClusterMap(const ClusterMap&) = delete;
    ClusterMap& operator=(const ClusterMap&) = delete;

    std::uint64_t size() const { return device_size_; }  ///< bytes
    std::uint32_t cluster_size() const { return cluster_size_; }
    std::uint64_t clusters() const { return clusters_; }

    /// The clusters that bytes [begin, end) touch.
    Clusters touched(std::uint64_t begin, std::uint64_t end) const;
    /// Those that lie wholly inside; the device's last one may be short.
    Clusters covered(std::uint64_t begin, std::uint64_t end) const;
    std::uint64_t begin_of(std::uint64_t cluster) const { return cluster << shift_; }
    /// Where the clusters before `last` end; never behind the device.
    std::uint64_t end_of(std::uint64_t last) const;

    ClusterState get(std::uint64_t cluster) const;
    bool is_present(std::uint64_t cluster) const { return get(cluster) != ClusterState::absent; }
    bool all_present(Clusters range) const;
    bool all_absent(Clusters range) const;
    /// The first one from `from` on that is (not) absent; clusters() if none is.
    std::uint64_t next_absent(std::uint64_t from) const;
    std::uint64_t next_present(std::uint64_t from) const;
    /// `range` as runs, in order, without gaps.
    std::vector<ClusterRun> runs(Clusters range) const;
    /// Cuts `data`, the content of `range`, into runs of clusters that are all zeroes or
    /// all not: use(run, bytes, zero) for each, in order, until it returns an error.
    template <typename Use>
    int by_content(Clusters range, std::span<const std::byte> data, Use use) const;
    std::uint64_t absent_clusters() const;
    /// What is not absent, in bytes.
    std::uint64_t bytes() const;

    void set(Clusters range, ClusterState state) { change(range, state, false); }
    /// Leaves those alone that are not absent.
    void fill(Clusters range, ClusterState state) { change(range, state, true); }
    /// Everything is absent, as of `generation`; nothing is to be written for that.
    void empty(std::uint64_t generation);

    // ---- for the file

    std::uint64_t pages() const { return generations_.size(); }  ///< of states
    bool dirty() const { return is_dirty_.load(); }
    /// Takes the pages that the file does not have yet, as they are now.
    std::vector<PageFile::Changed> take_dirty();
    /// They could not be written: they are dirty as before.
    void put_back(const std::vector<PageFile::Changed>& pages);
    /// Takes a page over from the file; marks nothing.  Throws mapfile::Damaged for
    /// states that have no meaning, and for a generation that is still to come.
    void load(std::uint64_t page, const mapfile::Payload& payload);

private:
    struct Free {
        void operator()(std::uint64_t* words) const { std::free(words); }
    };
    static constexpr std::uint64_t per_word = 32;
    static constexpr std::uint64_t words_per_page = mapfile::clusters_per_page / per_word;
    static_assert(mapfile::clusters_per_page % per_word == 0);

    std::uint64_t words() const { return (clusters_ + per_word - 1) / per_word; }
    /// Behind the last word of `page`.
    std::uint64_t end_of_page(std::uint64_t page) const
    {
        return std::min((page + 1) * words_per_page, words());
    }
    bool is_current(std::uint64_t page) const;
    std::uint64_t word(std::uint64_t index) const;
    template <typename Wanted>
    std::uint64_t find(std::uint64_t from, std::uint64_t limit, Wanted wanted) const;
    std::uint64_t end_of_run(Clusters range, ClusterState state) const;
    void change(Clusters range, ClusterState state, bool absent_only);
    void mark_dirty(std::uint64_t page);

    const std::uint64_t device_size_;
    const std::uint32_t cluster_size_;
    const unsigned shift_;
    const std::uint64_t clusters_;
    /// From calloc, so that a large map takes memory only where something is.
    const std::unique_ptr<std::uint64_t[], Free> words_;
    std::vector<std::atomic<std::uint64_t>> generations_;  ///< per page; 0: never used
    std::atomic<std::uint64_t> generation_{0};             ///< which one counts
    std::atomic<std::uint64_t> present_{0};
    std::atomic<bool> is_dirty_{false};

    std::mutex mutex_;  ///< who changes any of it; what follows
    std::vector<bool> dirty_;
    std::vector<std::uint64_t> dirty_pages_;
};

template <typename Use>
int ClusterMap::by_content(Clusters range, std::span<const std::byte> data, Use use) const
{
    const std::uint64_t base = begin_of(range.first);
    const auto part = [&](Clusters of) {
        const std::uint64_t begin = begin_of(of.first);
        return data.subspan(begin - base, end_of(of.last) - begin);
    };
    while (!range.empty()) {
        Clusters run{range.first, range.first + 1};
        const bool zero = is_all_zero(part(run));
        while (run.last < range.last && is_all_zero(part({run.last, run.last + 1})) == zero) {
            run.last++;
        }
        if (const int error = use(run, part(run), zero)) {
            return error;
        }
        range.first = run.last;
    }
    return 0;
}

}  // namespace resilience
