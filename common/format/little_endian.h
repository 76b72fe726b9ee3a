// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Fields of on-disk formats: little-endian integers and NUL-padded texts, at
// their offsets in a buffer.  The caller makes sure that they are inside.

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace resilience {

/// The bytes of `value` in the other order on big-endian machines.
template <std::unsigned_integral T>
constexpr T to_little_endian(T value)
{
    if constexpr (std::endian::native == std::endian::little || sizeof(T) == 1) {
        return value;
    } else {
        T swapped = 0;
        for (std::size_t i = 0; i < sizeof(T); i++) {
            swapped = static_cast<T>(swapped << 8 | ((value >> (8 * i)) & 0xff));
        }
        return swapped;
    }
}

template <std::unsigned_integral T>
T get_le(std::span<const std::byte> bytes, std::size_t offset)
{
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return to_little_endian(value);
}

template <std::unsigned_integral T>
void put_le(std::span<std::byte> bytes, std::size_t offset, T value)
{
    value = to_little_endian(value);
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// The text up to the first NUL, or all of `field`.
inline std::string get_text(std::span<const std::byte> field)
{
    const auto end = std::ranges::find(field, std::byte{0});
    return {reinterpret_cast<const char*>(field.data()),
            static_cast<std::size_t>(end - field.begin())};
}

/// As much of `text` as `field` holds; what is behind it stays as it is.
inline void put_text(std::span<std::byte> field, std::string_view text)
{
    if (!text.empty()) {
        std::memcpy(field.data(), text.data(), std::min(field.size(), text.size()));
    }
}

}  // namespace resilience
