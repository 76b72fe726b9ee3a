// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/compare.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace resilience {

std::optional<std::size_t> first_difference(std::span<const std::byte> a,
                                            std::span<const std::byte> b)
{
    assert(a.size() == b.size());
    // memcmp is much faster than any loop of ours, and buffers nearly always
    // agree; so it finds the block, and the loop only looks into that one.
    constexpr std::size_t block = 4096;
    for (std::size_t at = 0; at < a.size(); at += block) {
        const std::size_t length = std::min(block, a.size() - at);
        if (std::memcmp(a.data() + at, b.data() + at, length) != 0) {
            const auto differing =
                std::mismatch(a.begin() + at, a.begin() + at + length, b.begin() + at);
            return differing.first - a.begin();
        }
    }
    return std::nullopt;
}

namespace {

/// In how many sectors `differ(a's part, b's part)`.
template <typename Differ>
std::uint64_t count_sectors(std::span<const std::byte> a, std::span<const std::byte> b,
                            std::uint64_t offset, Differ differ)
{
    assert(a.size() == b.size());
    std::uint64_t count = 0;
    for (std::size_t at = 0; at < a.size();) {
        const std::uint64_t to_boundary = sector_size - (offset + at) % sector_size;
        const std::size_t length = std::min<std::uint64_t>(to_boundary, a.size() - at);
        count += differ(a.subspan(at, length), b.subspan(at, length));
        at += length;
    }
    return count;
}

}  // namespace

std::uint64_t count_differing_sectors(std::span<const std::byte> a, std::span<const std::byte> b,
                                      std::uint64_t offset)
{
    return count_sectors(a, b, offset, [](auto one, auto other) {
        return std::memcmp(one.data(), other.data(), one.size()) != 0;
    });
}

std::uint64_t count_zeroed_sectors(std::span<const std::byte> right,
                                   std::span<const std::byte> other, std::uint64_t offset)
{
    return count_sectors(right, other, offset, [](auto one, auto two) {
        return is_all_zero(one) && !is_all_zero(two);
    });
}

bool is_all_zero(std::span<const std::byte> data)
{
    return data.empty() ||
           (data[0] == std::byte{0} &&
            std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

}  // namespace resilience
