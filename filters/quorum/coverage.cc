// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/coverage.h"

#include <algorithm>
#include <bit>

namespace resilience::quorum {

namespace {

constexpr std::uint64_t bits_per_word = 64;

class Count {
public:
    Count(std::span<const Holder> holders, std::uint64_t size, std::size_t spare)
        : holders_(holders), size_(size), spare_(spare), lacking_(holders.size() + 1)
    {
    }

    void all_words()
    {
        for (std::size_t index = 0; index < holders_.front().stale->words(); index++) {
            word(index);
        }
    }
    void all_differences();

    std::uint64_t unreadable() const { return unreadable_; }
    std::size_t most_lacking() const { return most_lacking_; }

private:
    void word(std::size_t index);
    void piece(ByteRange range, const std::vector<bool>& differs);
    std::uint64_t bytes_of(std::size_t index, std::uint64_t bits) const;

    std::span<const Holder> holders_;
    std::uint64_t size_;
    std::size_t spare_;  ///< so many holders may lack something
    std::uint64_t unreadable_ = 0;
    std::size_t most_lacking_ = 0;
    std::vector<std::uint64_t> lacking_;  ///< of word(): [k], the granules that k or more lack
};

/// 64 granules at a time: each holder's word moves the granules that it lacks up
/// by one.
void Count::word(std::size_t index)
{
    std::ranges::fill(lacking_, 0);
    lacking_.front() = ~std::uint64_t{0};
    std::size_t top = 0;
    for (const Holder& holder : holders_) {
        const std::uint64_t lacks = holder.stale->word(index);
        if (lacks == 0) {
            continue;
        }
        for (std::size_t k = top + 1; k > 0; k--) {
            lacking_[k] |= lacking_[k - 1] & lacks;
        }
        top += lacking_[top + 1] != 0;
    }
    most_lacking_ = std::max(most_lacking_, top);
    if (top > spare_) {
        unreadable_ += bytes_of(index, lacking_[spare_ + 1]);
    }
}

std::uint64_t Count::bytes_of(std::size_t index, std::uint64_t bits) const
{
    const std::uint64_t granule = holders_.front().stale->granularity();
    const std::uint64_t last = (size_ - 1) / granule;
    const std::uint64_t tail = size_ % granule;
    const bool with_last = index == last / bits_per_word && (bits >> last % bits_per_word & 1) != 0;
    return static_cast<std::uint64_t>(std::popcount(bits)) * granule -
           (with_last && tail != 0 ? granule - tail : 0);
}

/// Cuts the device where any difference begins or ends, and counts the pieces in
/// which there is one.
void Count::all_differences()
{
    std::vector<std::uint64_t> cuts;
    for (const Holder& holder : holders_) {
        for (const ByteRange& range : holder.differing) {
            cuts.push_back(range.begin);
            cuts.push_back(range.end);
        }
    }
    std::ranges::sort(cuts);
    std::vector<std::size_t> next(holders_.size());
    for (std::size_t i = 1; i < cuts.size(); i++) {
        const ByteRange range{cuts[i - 1], cuts[i]};
        std::vector<bool> differs(holders_.size());
        for (std::size_t h = 0; h < holders_.size(); h++) {
            const auto& differing = holders_[h].differing;
            while (next[h] < differing.size() && differing[next[h]].end <= range.begin) {
                next[h]++;
            }
            differs[h] = next[h] < differing.size() && differing[next[h]].begin <= range.begin;
        }
        if (!range.empty() && std::ranges::count(differs, true) != 0) {
            piece(range, differs);
        }
    }
}

/// A piece in which the same holders differ.  Where some are stale besides, down to
/// the pieces in which the same ones are.
void Count::piece(ByteRange range, const std::vector<bool>& differs)
{
    const std::uint64_t granule = holders_.front().stale->granularity();
    std::size_t stale = 0;
    std::size_t lacking = 0;
    for (std::size_t h = 0; h < holders_.size(); h++) {
        const bool is_stale = holders_[h].stale->any(range);
        stale += is_stale;
        lacking += is_stale || differs[h];
    }
    const std::uint64_t first = range.begin / granule;
    const std::uint64_t last = (range.end - 1) / granule;
    if (stale != 0 && first != last) {
        const std::uint64_t middle = (first + (last - first + 1) / 2) * granule;
        piece({range.begin, middle}, differs);
        piece({middle, range.end}, differs);
        return;
    }
    most_lacking_ = std::max(most_lacking_, lacking);
    if (lacking > spare_ && stale <= spare_) {  // else word() has counted it
        unreadable_ += range.length();
    }
}

}  // namespace

Coverage cover(std::span<const Holder> holders, std::uint64_t size, std::size_t needed)
{
    if (holders.size() < needed || size == 0) {
        return {size, size == 0 ? holders.size() : 0};
    }
    Count count(holders, size, holders.size() - needed);
    if (std::ranges::any_of(holders, [](const Holder& one) { return one.stale->any(); })) {
        count.all_words();
    }
    count.all_differences();
    return {count.unreadable(), holders.size() - count.most_lacking()};
}

}  // namespace resilience::quorum
