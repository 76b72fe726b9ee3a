// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/unflushed_map.h"

#include <algorithm>
#include <bit>

namespace resilience {

namespace {

constexpr std::uint64_t bits_per_word = 64;

/// Calls action(index) for each bit set in `word`.
template <typename Action>
void for_each_bit(std::uint64_t word, Action action)
{
    for (; word != 0; word &= word - 1) {
        action(static_cast<std::uint64_t>(std::countr_zero(word)));
    }
}

}  // namespace

UnflushedMap::UnflushedMap(std::uint64_t size, std::uint64_t granularity)
    : granularity_(granularity), words_(size / granularity / bits_per_word + 1),
      summary_(words_.size() / bits_per_word + 1)
{
}

void UnflushedMap::mark(ByteRange range)
{
    if (range.empty()) {
        return;
    }
    const std::uint64_t last = (range.end - 1) / granularity_;
    for (std::uint64_t granule = range.begin / granularity_; granule <= last;) {
        const std::uint64_t word = granule / bits_per_word;
        std::uint64_t bits = 0;
        for (; granule <= last && granule / bits_per_word == word; granule++) {
            bits |= 1ULL << (granule % bits_per_word);
        }
        // First the word, then its bit in the summary: a take() that comes
        // between leaves the word for the next take(), which finds it.  The
        // summary is set even if the word had the bits already: whoever set
        // them may not have come to the summary yet.
        words_[word].fetch_or(bits);
        summary_[word / bits_per_word].fetch_or(1ULL << (word % bits_per_word));
    }
}

bool UnflushedMap::any() const
{
    return std::ranges::any_of(summary_, [](const auto& word) { return word.load() != 0; });
}

UnflushedMap::Taken UnflushedMap::take()
{
    Taken taken;
    for (std::uint64_t s = 0; s < summary_.size(); s++) {
        if (summary_[s].load() == 0) {
            continue;
        }
        for_each_bit(summary_[s].exchange(0), [&](std::uint64_t bit) {
            const std::uint64_t index = s * bits_per_word + bit;
            if (const std::uint64_t bits = words_[index].exchange(0)) {
                taken.emplace_back(static_cast<std::uint32_t>(index), bits);
            }
        });
    }
    return taken;
}

void UnflushedMap::put_back(const Taken& taken)
{
    for (const auto& [index, bits] : taken) {
        words_[index].fetch_or(bits);
        summary_[index / bits_per_word].fetch_or(1ULL << (index % bits_per_word));
    }
}

void UnflushedMap::copy_to(DirtyBitmap& target) const
{
    Taken marked;
    for (std::size_t index = 0; index < words_.size(); index++) {
        if (const std::uint64_t bits = words_[index].load()) {
            marked.emplace_back(static_cast<std::uint32_t>(index), bits);
        }
    }
    copy_to(target, marked);
}

void UnflushedMap::copy_to(DirtyBitmap& target, const Taken& taken) const
{
    for (const auto& [index, bits] : taken) {
        for_each_bit(bits, [&, index = index](std::uint64_t bit) {
            const std::uint64_t begin = (index * bits_per_word + bit) * granularity_;
            target.set({begin, begin + granularity_});
        });
    }
}

}  // namespace resilience
