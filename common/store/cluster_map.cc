// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/cluster_map.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "common/format/little_endian.h"

namespace resilience {

namespace {

constexpr std::uint64_t low_bits = 0x5555555555555555;

/// The low bit of each pair is set where the pair is not 0.
constexpr std::uint64_t any_bits(std::uint64_t word) { return (word | word >> 1) & low_bits; }

/// The low bits of the pairs [first, last) of a word.
constexpr std::uint64_t pairs(std::uint64_t first, std::uint64_t last)
{
    const std::uint64_t up_to = last >= 32 ? ~std::uint64_t{0} : (std::uint64_t{1} << 2 * last) - 1;
    return up_to & ~((std::uint64_t{1} << 2 * first) - 1) & low_bits;
}

std::uint64_t* zeroed_words(std::uint64_t count)
{
    void* words = std::calloc(count, sizeof(std::uint64_t));
    return words != nullptr ? static_cast<std::uint64_t*>(words) : throw std::bad_alloc();
}

std::uint64_t count_ones(std::uint64_t word)
{
    return static_cast<std::uint64_t>(std::popcount(word));
}

}  // namespace

ClusterMap::ClusterMap(std::uint64_t device_size, std::uint32_t cluster_size)
    : device_size_(device_size),
      cluster_size_(cluster_size),
      shift_(static_cast<unsigned>(std::countr_zero(cluster_size))),
      clusters_(mapfile::count_clusters(device_size, cluster_size)),
      words_(zeroed_words(words())),
      generations_(mapfile::count_pages(clusters_) - 1),
      dirty_(generations_.size())
{
}

Clusters ClusterMap::touched(std::uint64_t begin, std::uint64_t end) const
{
    return {begin >> shift_, (end + cluster_size_ - 1) >> shift_};
}

Clusters ClusterMap::covered(std::uint64_t begin, std::uint64_t end) const
{
    const std::uint64_t first = (begin + cluster_size_ - 1) >> shift_;
    const std::uint64_t last = end >= device_size_ ? clusters_ : end >> shift_;
    return {first, std::max(first, last)};
}

std::uint64_t ClusterMap::end_of(std::uint64_t last) const
{
    return std::min(last << shift_, device_size_);
}

bool ClusterMap::is_current(std::uint64_t page) const
{
    return generations_[page].load(std::memory_order_acquire) ==
           generation_.load(std::memory_order_acquire);
}

std::uint64_t ClusterMap::word(std::uint64_t index) const
{
    return is_current(index / words_per_page)
               ? std::atomic_ref(words_[index]).load(std::memory_order_acquire)
               : 0;
}

ClusterState ClusterMap::get(std::uint64_t cluster) const
{
    return static_cast<ClusterState>(word(cluster / per_word) >> cluster % per_word * 2 & 3);
}

/// The first cluster in [from, limit) of which `wanted` says so; `wanted` gets a
/// word, and returns the low bit of each pair.
template <typename Wanted>
std::uint64_t ClusterMap::find(std::uint64_t from, std::uint64_t limit, Wanted wanted) const
{
    for (std::uint64_t at = from; at < limit;) {
        const std::uint64_t index = at / per_word;
        const std::uint64_t page = index / words_per_page;
        if (!is_current(page) && wanted(0) == 0) {  // what is empty costs nothing
            at = (page + 1) * mapfile::clusters_per_page;
            continue;
        }
        const std::uint64_t found = wanted(word(index)) & pairs(at % per_word, per_word);
        if (found != 0) {
            const auto pair = static_cast<std::uint64_t>(std::countr_zero(found)) / 2;
            return std::min(index * per_word + pair, limit);
        }
        at = (index + 1) * per_word;
    }
    return limit;
}

std::uint64_t ClusterMap::end_of_run(Clusters range, ClusterState state) const
{
    const std::uint64_t same = static_cast<std::uint64_t>(state) * low_bits;
    return find(range.first, range.last,
                [same](std::uint64_t word) { return any_bits(word ^ same); });
}

bool ClusterMap::all_present(Clusters range) const
{
    return find(range.first, range.last, [](std::uint64_t word) { return ~any_bits(word); }) >=
           range.last;
}

bool ClusterMap::all_absent(Clusters range) const
{
    return end_of_run(range, ClusterState::absent) >= range.last;
}

std::uint64_t ClusterMap::next_absent(std::uint64_t from) const
{
    return find(from, clusters_, [](std::uint64_t word) { return ~any_bits(word); });
}

std::uint64_t ClusterMap::next_present(std::uint64_t from) const
{
    return present_ == 0 ? clusters_ : end_of_run({from, clusters_}, ClusterState::absent);
}

std::vector<ClusterRun> ClusterMap::runs(Clusters range) const
{
    std::vector<ClusterRun> result;
    while (!range.empty()) {
        const ClusterState state = get(range.first);
        // At least the one that was looked at: it may change meanwhile.
        const std::uint64_t end = std::max(range.first + 1, end_of_run(range, state));
        result.push_back({{range.first, end}, state});
        range.first = end;
    }
    return result;
}

std::uint64_t ClusterMap::absent_clusters() const
{
    return clusters_ - present_.load(std::memory_order_acquire);
}

std::uint64_t ClusterMap::bytes() const
{
    return std::min(present_.load() << shift_, device_size_);
}

void ClusterMap::mark_dirty(std::uint64_t page)
{
    if (!dirty_[page]) {
        dirty_pages_.push_back(page);
        dirty_[page] = true;
        is_dirty_ = true;
    }
}

void ClusterMap::change(Clusters range, ClusterState state, bool absent_only)
{
    const std::lock_guard lock(mutex_);
    for (std::uint64_t at = range.first; at < range.last;) {
        const std::uint64_t index = at / per_word;
        const std::uint64_t page = index / words_per_page;
        const std::uint64_t end = std::min((index + 1) * per_word, range.last);
        const std::uint64_t all = pairs(at % per_word, end - index * per_word);
        const std::uint64_t before = word(index);
        const std::uint64_t chosen = absent_only ? all & ~any_bits(before) : all;
        const std::uint64_t after =
            (before & ~(chosen * 3)) | chosen * static_cast<std::uint64_t>(state);
        at = end;
        if (after == before) {
            continue;
        }
        if (!is_current(page)) {
            for (std::uint64_t i = page * words_per_page; i < end_of_page(page); i++) {
                std::atomic_ref(words_[i]).store(0, std::memory_order_relaxed);
            }
            generations_[page].store(generation_, std::memory_order_release);
        }
        present_ += count_ones(any_bits(after)) - count_ones(any_bits(before));
        std::atomic_ref(words_[index]).store(after, std::memory_order_release);
        mark_dirty(page);
    }
}

void ClusterMap::empty(std::uint64_t generation)
{
    const std::lock_guard lock(mutex_);
    generation_ = generation;
    present_ = 0;
    for (const std::uint64_t page : std::exchange(dirty_pages_, {})) {
        dirty_[page] = false;
    }
    is_dirty_ = false;
}

std::vector<PageFile::Changed> ClusterMap::take_dirty()
{
    const std::lock_guard lock(mutex_);
    std::vector<PageFile::Changed> taken;
    taken.reserve(dirty_pages_.size());  // throws, if at all, while nothing is lost
    for (const std::uint64_t page : std::exchange(dirty_pages_, {})) {
        dirty_[page] = false;
        PageFile::Changed& changed = taken.emplace_back();
        changed.page = page;
        put_le(changed.payload, 0, generations_[page].load());
        const std::uint64_t first = page * words_per_page;
        for (std::uint64_t i = first; i < end_of_page(page); i++) {
            put_le(changed.payload, mapfile::page_head + (i - first) * sizeof(std::uint64_t),
                   words_[i]);
        }
    }
    is_dirty_ = false;
    return taken;
}

void ClusterMap::put_back(const std::vector<PageFile::Changed>& pages)
{
    const std::lock_guard lock(mutex_);
    for (const PageFile::Changed& each : pages) {
        mark_dirty(each.page);
    }
}

void ClusterMap::load(std::uint64_t page, const mapfile::Payload& payload)
{
    const std::lock_guard lock(mutex_);
    const auto generation = get_le<std::uint64_t>(payload, 0);
    if (generation > generation_) {
        throw mapfile::Damaged(fmt::format("page {} is of generation {}, the one that counts is {}",
                                           page + 1, generation, generation_.load()));
    }
    if (generation != generation_) {
        return;
    }
    generations_[page] = generation;
    for (std::uint64_t i = 0; i < words_per_page; i++) {
        const auto word =
            get_le<std::uint64_t>(payload, mapfile::page_head + i * sizeof(std::uint64_t));
        const std::uint64_t index = page * words_per_page + i;
        const std::uint64_t from = index * per_word;
        const std::uint64_t there = from >= clusters_ ? 0 : pairs(0, clusters_ - from);
        if ((word & word >> 1 & low_bits) != 0 || (word & ~(there * 3)) != 0) {
            throw mapfile::Damaged(fmt::format(
                "page {}: it holds a state that does not exist, at cluster {} or up to {} behind",
                page + 1, from, per_word - 1));
        }
        if (word != 0) {
            words_[index] = word;
            present_ += count_ones(any_bits(word));
        }
    }
}

}  // namespace resilience
