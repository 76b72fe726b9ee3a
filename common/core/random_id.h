// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace resilience {

/// Fills `into` (at most 256 bytes) with the kernel's random numbers.  Throws
/// std::system_error if it gives none.
void fill_random(std::span<std::byte> into);

/// A number that nobody else has, as far as its bits go; never 0, which is none.
template <std::unsigned_integral Number = std::uint64_t>
Number random_id()
{
    Number id = 0;
    while (id == 0) {
        fill_random(std::as_writable_bytes(std::span(&id, 1)));
    }
    return id;
}

}  // namespace resilience
