// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The values of parameters.  Each function throws std::invalid_argument with a
// text that names the key, the value and what is allowed; a value is never
// truncated and never guessed.

#include <chrono>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace resilience {

/// Whether people may give something this name: letters, digits, '-' and '_'.
/// So no name can be taken for a path, a place ("children.2") or an option.
bool is_name(std::string_view text);

/// What somebody who wrote `name` may have meant: the one of `known` that takes
/// the fewest letters to be put in, left out or changed (the first of several),
/// at most two of them and at most half of the name.  Empty: nothing is near.
std::string closest_name(std::string_view name, std::span<const std::string> known);

/// "true", "yes", "on", "1" / "false", "no", "off", "0" (nbdkit's words).
bool parse_bool(std::string_view key, std::string_view value);

/// A decimal integer in [min, max].
std::uint64_t parse_integer(std::string_view key, std::string_view value, std::uint64_t min,
                            std::uint64_t max);

/// Bytes: a decimal integer with an optional suffix b, k, M, G, T (powers of
/// 1024), as nbdkit's sizes.
std::uint64_t parse_size(std::string_view key, std::string_view value);

/// The same for a power of two in [min, max].
std::uint32_t parse_power_of_two(std::string_view key, std::string_view value, std::uint32_t min,
                                 std::uint32_t max);

/// A name in the sense of is_name().
std::string parse_name(std::string_view key, std::string_view value);

/// A path, not empty; a relative one is of `directory`, because the server changes
/// its directory to / when it becomes a daemon.  Absolute and normal; touches nothing.
std::string parse_path(std::string_view key, std::string_view value,
                       const std::string& directory);

/// A share: "0.25" or "25%"; in [0, 1], or "0%" to "100%".
double parse_share(std::string_view key, std::string_view value);

/// A time: "10", "10s", "500ms", "2m"; seconds without a suffix; in [min, max].
std::chrono::milliseconds parse_duration(std::string_view key, std::string_view value,
                                         std::chrono::milliseconds min,
                                         std::chrono::milliseconds max);

}  // namespace resilience
