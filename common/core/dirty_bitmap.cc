// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/dirty_bitmap.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace resilience {

namespace {

constexpr std::uint64_t bits_per_word = 64;

/// Calls `action(word index, mask)` for each word that granules [first, last)
/// touch, with the bits of those granules in the mask.
template <typename Action>
void for_each_word(std::uint64_t first, std::uint64_t last, Action action)
{
    while (first < last) {
        const std::uint64_t index = first / bits_per_word;
        const std::uint64_t low = first % bits_per_word;
        const std::uint64_t count = std::min(last - first, bits_per_word - low);
        const std::uint64_t ones = count == bits_per_word ? ~0ULL : (1ULL << count) - 1;
        action(index, ones << low);
        first += count;
    }
}

}  // namespace

DirtyBitmap::DirtyBitmap(std::uint64_t size, std::uint64_t granularity)
    : size_(size), granularity_(granularity),
      words_((size / granularity + bits_per_word) / bits_per_word)
{
    assert(std::has_single_bit(granularity));
}

void DirtyBitmap::set(ByteRange range)
{
    range.end = std::min(range.end, size_);
    if (range.empty()) {
        return;
    }
    for_each_word(range.begin / granularity_, (range.end - 1) / granularity_ + 1,
                  [&](std::uint64_t index, std::uint64_t mask) {
                      // Counted before it is marked, and uncounted after it is
                      // cleared: so the count is never too small, and any()
                      // never says that nothing is marked while something is.
                      marked_.fetch_add(std::popcount(mask));
                      const std::uint64_t before = words_[index].fetch_or(mask);
                      if ((mask & before) != 0) {
                          marked_.fetch_sub(std::popcount(mask & before));
                      }
                  });
}

void DirtyBitmap::clear(ByteRange range)
{
    range.end = std::min(range.end, size_);
    if (range.empty()) {
        return;
    }
    const std::uint64_t first = (range.begin + granularity_ - 1) / granularity_;
    const std::uint64_t last = range.end == size_ ? granules() : range.end / granularity_;
    for_each_word(first, std::max(first, last), [&](std::uint64_t index, std::uint64_t mask) {
        const std::uint64_t before = words_[index].fetch_and(~mask);
        marked_.fetch_sub(std::popcount(mask & before));
    });
}

bool DirtyBitmap::any(ByteRange range) const
{
    range.end = std::min(range.end, size_);
    if (!any() || range.empty()) {
        return false;
    }
    bool found = false;
    for_each_word(range.begin / granularity_, (range.end - 1) / granularity_ + 1,
                  [&](std::uint64_t index, std::uint64_t mask) {
                      found = found || (words_[index].load() & mask) != 0;
                  });
    return found;
}

bool DirtyBitmap::test(std::uint64_t granule) const
{
    return (words_[granule / bits_per_word].load() >> (granule % bits_per_word) & 1) != 0;
}

std::uint64_t DirtyBitmap::marked_bytes() const
{
    const std::uint64_t marked = marked_.load();
    const std::uint64_t tail = size_ % granularity_;
    const bool short_tail = marked > 0 && tail != 0 && test(granules() - 1);
    const std::uint64_t bytes = marked * granularity_ - (short_tail ? granularity_ - tail : 0);
    return std::min(bytes, size_);  // the count runs ahead of a set in another thread
}

std::optional<ByteRange> DirtyBitmap::next_marked(std::uint64_t from, std::uint64_t limit) const
{
    if (!any() || from >= size_) {
        return std::nullopt;
    }
    const std::uint64_t count = granules();
    std::uint64_t first = from / granularity_;
    while (first < count && !test(first)) {
        // Skip whole empty words: a large device is mostly clean.
        const bool at_word = first % bits_per_word == 0;
        first += at_word && words_[first / bits_per_word].load() == 0 ? bits_per_word : 1;
    }
    if (first >= count) {
        return std::nullopt;
    }
    std::uint64_t last = first + 1;
    while (last < count && (last + 1 - first) * granularity_ <= limit && test(last)) {
        last++;
    }
    return ByteRange{first * granularity_, std::min(last * granularity_, size_)};
}

}  // namespace resilience
