// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/mismatch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/core/compare.h"

namespace resilience::blkverify {

namespace {

/// A line of the dumps, and how much of them stands before and after the byte.
constexpr std::uint64_t line = 8;
constexpr std::uint64_t before = 16;
constexpr std::uint64_t after = 48;

}  // namespace

std::string_view to_string(Kind kind)
{
    return kind == Kind::contents ? "contents" : "return-value";
}

std::string qemu_text(const Mismatch& mismatch)
{
    const std::string where =
        fmt::format("blkverify: {} offset={} bytes={}", to_string(mismatch.op),
                    mismatch.range.begin, mismatch.range.length());
    if (mismatch.kind == Kind::contents) {
        return fmt::format("{} contents mismatch at offset {}", where, mismatch.position);
    }
    return fmt::format("{} return value mismatch {} != {}", where, -mismatch.test,
                       -mismatch.reference);
}

void describe_contents(Mismatch& mismatch, std::span<const std::byte> test,
                       std::span<const std::byte> reference, std::size_t first)
{
    const std::uint64_t begin = mismatch.range.begin;
    mismatch.position = begin + first;
    mismatch.differing_sectors = count_differing_sectors(test, reference, begin);
    for (std::size_t i = first; i < test.size(); i++) {
        mismatch.differing_bytes += test[i] != reference[i];
    }
    const std::uint64_t aligned = mismatch.position - mismatch.position % line;
    const std::uint64_t from = std::max(begin, aligned - std::min(aligned, before));
    const std::uint64_t to = std::min(mismatch.range.end, aligned + after);
    const auto part = [&](std::span<const std::byte> data) {
        const auto dump = data.subspan(from - begin, to - from);
        return std::vector<std::byte>(dump.begin(), dump.end());
    };
    mismatch.dump_offset = from;
    mismatch.test_dump = part(test);
    mismatch.reference_dump = part(reference);
}

std::uint64_t MismatchList::add(Mismatch mismatch)
{
    const std::lock_guard lock(mutex_);
    mismatch.number = ++total_;
    if (first_.size() < most_first_) {
        first_.push_back(std::move(mismatch));
        return total_;
    }
    newest_.push_back(std::move(mismatch));
    if (newest_.size() > most_newest_) {
        newest_.pop_front();
    }
    return total_;
}

std::vector<Mismatch> MismatchList::kept() const
{
    const std::lock_guard lock(mutex_);
    std::vector<Mismatch> all(first_.begin(), first_.end());
    all.insert(all.end(), newest_.begin(), newest_.end());
    return all;
}

std::uint64_t MismatchList::total() const
{
    const std::lock_guard lock(mutex_);
    return total_;
}

void MismatchList::clear()
{
    const std::lock_guard lock(mutex_);
    first_.clear();
    newest_.clear();
}

}  // namespace resilience::blkverify
