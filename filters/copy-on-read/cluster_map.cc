// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/cluster_map.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "common/format/little_endian.h"

namespace resilience::cor {

namespace {

constexpr std::uint64_t low_bits = 0x5555555555555555;

/// The low bit of each pair is set where the cluster is not absent.
constexpr std::uint64_t local_bits(std::uint64_t word) { return (word | word >> 1) & low_bits; }

/// The low bits of the pairs [first, last) of a word.
constexpr std::uint64_t pairs(std::uint64_t first, std::uint64_t last)
{
    const std::uint64_t up_to = last >= 32 ? ~std::uint64_t{0} : (std::uint64_t{1} << 2 * last) - 1;
    return up_to & ~((std::uint64_t{1} << 2 * first) - 1) & low_bits;
}

}  // namespace

ClusterMap::ClusterMap(std::uint64_t device_size, std::uint32_t cluster_size)
    : device_size_(device_size),
      cluster_size_(cluster_size),
      shift_(static_cast<unsigned>(std::countr_zero(cluster_size))),
      clusters_(mapfile::count_clusters(device_size, cluster_size)),
      words_((clusters_ + per_word - 1) / per_word),
      dirty_(mapfile::count_pages(clusters_) - 1),
      absent_(clusters_)
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

State ClusterMap::get(std::uint64_t cluster) const
{
    const std::uint64_t word = words_[cluster / per_word].load(std::memory_order_acquire);
    return static_cast<State>(word >> cluster % per_word * 2 & 3);
}

bool ClusterMap::all_local(Clusters range) const
{
    for (std::uint64_t at = range.first; at < range.last;) {
        const std::uint64_t word = at / per_word;
        const std::uint64_t end = std::min((word + 1) * per_word, range.last);
        const std::uint64_t wanted = pairs(at % per_word, end - word * per_word);
        if ((local_bits(words_[word].load(std::memory_order_acquire)) & wanted) != wanted) {
            return false;
        }
        at = end;
    }
    return true;
}

std::uint64_t ClusterMap::next_absent(std::uint64_t from) const
{
    for (std::uint64_t at = from; at < clusters_;) {
        const std::uint64_t word = at / per_word;
        const std::uint64_t missing = ~local_bits(words_[word].load(std::memory_order_acquire)) &
                                      pairs(at % per_word, per_word);
        if (missing != 0) {
            const auto pair = static_cast<std::uint64_t>(std::countr_zero(missing)) / 2;
            return std::min(word * per_word + pair, clusters_);
        }
        at = (word + 1) * per_word;
    }
    return clusters_;
}

void ClusterMap::mark_dirty(std::uint64_t page)
{
    if (dirty_[page].exchange(1) == 0) {
        dirty_pages_++;
    }
}

void ClusterMap::change(Clusters range, State state, bool absent_only)
{
    for (std::uint64_t at = range.first; at < range.last;) {
        const std::uint64_t index = at / per_word;
        const std::uint64_t end = std::min((index + 1) * per_word, range.last);
        const std::uint64_t all = pairs(at % per_word, end - index * per_word);
        std::atomic<std::uint64_t>& word = words_[index];
        std::uint64_t before = word.load();
        std::uint64_t chosen = 0;
        std::uint64_t after = 0;
        do {
            chosen = absent_only ? all & ~local_bits(before) : all;
            after = (before & ~(chosen * 3)) | chosen * static_cast<std::uint64_t>(state);
        } while (after != before &&
                 !word.compare_exchange_weak(before, after, std::memory_order_acq_rel));
        if (after != before) {
            absent_ -= static_cast<std::uint64_t>(std::popcount(chosen & ~local_bits(before)));
            mark_dirty(index / words_per_page);
        }
        at = end;
    }
}

mapfile::Payload ClusterMap::take(std::uint64_t page)
{
    // The mark goes first: what changes from here on marks the page again.
    if (dirty_[page].exchange(0) != 0) {
        dirty_pages_--;
    }
    mapfile::Payload payload{};
    const std::uint64_t first = page * words_per_page;
    const std::uint64_t last = std::min<std::uint64_t>(first + words_per_page, words_.size());
    for (std::uint64_t i = first; i < last; i++) {
        put_le(payload, (i - first) * sizeof(std::uint64_t),
               words_[i].load(std::memory_order_acquire));
    }
    return payload;
}

void ClusterMap::load(std::uint64_t page, const mapfile::Payload& payload)
{
    const std::uint64_t first = page * words_per_page;
    for (std::uint64_t i = 0; i < words_per_page; i++) {
        const auto word = get_le<std::uint64_t>(payload, i * sizeof(std::uint64_t));
        const std::uint64_t from = (first + i) * per_word;
        const std::uint64_t there = from >= clusters_ ? 0 : pairs(0, clusters_ - from);
        if ((word & word >> 1 & low_bits) != 0 || (word & ~(there * 3)) != 0) {
            throw mapfile::Damaged(fmt::format(
                "page {}: it holds a state that does not exist, at cluster {} or up to {} behind",
                page + 1, from, per_word - 1));
        }
        if (first + i < words_.size()) {
            words_[first + i] = word;
            absent_ -= static_cast<std::uint64_t>(std::popcount(local_bits(word)));
        }
    }
}

}  // namespace resilience::cor
