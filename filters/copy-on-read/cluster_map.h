// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/format/allocation_map.h"

namespace resilience::cor {

using mapfile::State;

/// Clusters [first, last).
struct Clusters {
    std::uint64_t first = 0;
    std::uint64_t last = 0;

    std::uint64_t count() const { return last - first; }
    bool empty() const { return first >= last; }
    friend bool operator==(const Clusters&, const Clusters&) = default;
};

/// The map in memory: two bits per cluster, as they stand in the file, and
/// which pages of the file are older than that.
///
/// All members are safe to call from any thread.  A state that is seen was set
/// after what it stands for was written, so the copy can be read at once.  A
/// cluster that is not absent never becomes absent again.
class ClusterMap {
public:
    ClusterMap(std::uint64_t device_size, std::uint32_t cluster_size);

    std::uint64_t device_size() const { return device_size_; }
    std::uint32_t cluster_size() const { return cluster_size_; }
    std::uint64_t clusters() const { return clusters_; }
    /// Pages with states, as in the file, but counted from 0.
    std::uint64_t pages() const { return dirty_.size(); }

    /// The clusters that bytes [begin, end) touch.
    Clusters touched(std::uint64_t begin, std::uint64_t end) const;
    /// Those that lie wholly inside; the device's last one may be short.
    Clusters covered(std::uint64_t begin, std::uint64_t end) const;
    std::uint64_t begin_of(std::uint64_t cluster) const { return cluster * cluster_size_; }
    /// Where the clusters before `last` end; never behind the device.
    std::uint64_t end_of(std::uint64_t last) const;

    State get(std::uint64_t cluster) const;
    bool is_local(std::uint64_t cluster) const { return get(cluster) != State::absent; }
    /// Whether none of them is absent.  Fast.
    bool all_local(Clusters range) const;
    /// The first one at or behind `from` that is absent; clusters() if none is.
    std::uint64_t next_absent(std::uint64_t from) const;
    std::uint64_t absent_clusters() const { return absent_.load(std::memory_order_acquire); }

    void set(Clusters range, State state) { change(range, state, false); }
    /// Leaves those alone that are not absent.
    void fill(Clusters range, State state) { change(range, state, true); }

    // For the file.
    bool dirty() const { return dirty_pages_.load() != 0; }
    bool dirty(std::uint64_t page) const { return dirty_[page].load() != 0; }
    void mark_dirty(std::uint64_t page);
    /// Takes the mark away and returns what the page holds now.
    mapfile::Payload take(std::uint64_t page);
    /// Takes a page over from the file; marks nothing.  Throws mapfile::Damaged
    /// for states that have no meaning.
    void load(std::uint64_t page, const mapfile::Payload& payload);

private:
    void change(Clusters range, State state, bool absent_only);

    static constexpr std::uint64_t per_word = 32;
    static constexpr std::uint64_t words_per_page = mapfile::clusters_per_page / per_word;
    static_assert(mapfile::clusters_per_page % per_word == 0);

    const std::uint64_t device_size_;
    const std::uint32_t cluster_size_;
    const unsigned shift_;
    const std::uint64_t clusters_;
    std::vector<std::atomic<std::uint64_t>> words_;
    std::vector<std::atomic<std::uint8_t>> dirty_;
    std::atomic<std::uint64_t> dirty_pages_{0};
    std::atomic<std::uint64_t> absent_;
};

}  // namespace resilience::cor
