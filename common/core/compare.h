// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace resilience {

/// Bytes in a sector wherever sectors are counted (events, reports).
inline constexpr std::uint64_t sector_size = 512;

/// The index of the first byte in which two buffers of equal length differ, or
/// nullopt when they are equal.
std::optional<std::size_t> first_difference(std::span<const std::byte> a,
                                            std::span<const std::byte> b);

/// How many sectors of the device differ, where both buffers hold what stands
/// at byte `offset` of it.  A sector that is only partly in the buffers counts
/// when that part differs.
std::uint64_t count_differing_sectors(std::span<const std::byte> a, std::span<const std::byte> b,
                                      std::uint64_t offset);

/// The same, of sectors that are all zeroes in `right` and are not in `other`.
std::uint64_t count_zeroed_sectors(std::span<const std::byte> right,
                                   std::span<const std::byte> other, std::uint64_t offset);

/// Whether there is nothing but zeroes; also if there is nothing at all.
bool is_all_zero(std::span<const std::byte> data);

}  // namespace resilience
