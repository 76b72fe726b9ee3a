// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/parameter.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace resilience {

namespace {

[[noreturn]] void refuse(std::string_view key, std::string_view value, std::string_view allowed)
{
    throw std::invalid_argument(fmt::format("{}={}: {}", key, value, allowed));
}

/// A decimal number with what follows it; nullopt if there is none or it does
/// not fit.
std::optional<std::uint64_t> leading_number(std::string_view text, std::string_view& rest)
{
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) {
        return std::nullopt;
    }
    rest = text.substr(end - text.data());
    return number;
}

bool one_of(std::string_view value, std::initializer_list<std::string_view> words)
{
    return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
        return std::equal(value.begin(), value.end(), word.begin(), word.end(),
                          [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
    });
}

/// Levenshtein's distance: insertions, deletions and changes.
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);  // of what a has so far, to each start of b
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 0; i < a.size(); i++) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); j++) {
            const std::size_t change = diagonal + (a[i] != b[j]);
            diagonal = std::exchange(row[j + 1],
                                     std::min({change, row[j] + 1, row[j + 1] + 1}));
        }
    }
    return row.back();
}

}  // namespace

std::string closest_name(std::string_view name, std::span<const std::string> known)
{
    std::size_t nearest = std::min<std::size_t>(2, name.size() / 2) + 1;
    std::string found;
    for (const std::string& each : known) {
        if (const std::size_t far = distance(name, each); far < nearest) {
            nearest = far;
            found = each;
        }
    }
    return found;
}

bool is_name(std::string_view text)
{
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

std::string parse_name(std::string_view key, std::string_view value)
{
    if (!is_name(value)) {
        refuse(key, value, "expects letters, digits, '-' and '_'");
    }
    return std::string(value);
}

std::string parse_path(std::string_view key, std::string_view value, const std::string& directory)
{
    if (value.empty()) {
        refuse(key, value, "expects a path");
    }
    return (std::filesystem::path(directory) / value).lexically_normal();
}

bool parse_bool(std::string_view key, std::string_view value)
{
    if (one_of(value, {"true", "t", "yes", "y", "on", "1"})) {
        return true;
    }
    if (one_of(value, {"false", "f", "no", "n", "off", "0"})) {
        return false;
    }
    refuse(key, value, "expects true or false");
}

std::uint64_t parse_integer(std::string_view key, std::string_view value, std::uint64_t min,
                            std::uint64_t max)
{
    std::string_view rest;
    const auto number = leading_number(value, rest);
    if (!number || !rest.empty()) {
        refuse(key, value, fmt::format("expects an integer from {} to {}", min, max));
    }
    if (*number < min) {
        refuse(key, value, fmt::format("expects a value >= {}", min));
    }
    if (*number > max) {
        refuse(key, value, fmt::format("expects a value <= {}", max));
    }
    return *number;
}

std::uint64_t parse_size(std::string_view key, std::string_view value)
{
    constexpr std::string_view suffixes = "bkmgt";
    constexpr std::string_view allowed =
        "expects a size in bytes, with an optional suffix k, M, G or T, below 2^63";
    std::string_view suffix;
    const auto number = leading_number(value, suffix);
    if (!number || suffix.size() > 1) {
        refuse(key, value, allowed);
    }
    unsigned shift = 0;
    if (!suffix.empty()) {
        const char lower = suffix[0] >= 'A' && suffix[0] <= 'Z' ? suffix[0] + 32 : suffix[0];
        const std::size_t power = suffixes.find(lower);
        if (power == std::string_view::npos) {
            refuse(key, value, allowed);
        }
        shift = static_cast<unsigned>(power) * 10;
    }
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (*number > most >> shift) {
        refuse(key, value, allowed);
    }
    return *number << shift;
}

std::uint32_t parse_power_of_two(std::string_view key, std::string_view value, std::uint32_t min,
                                 std::uint32_t max)
{
    const std::uint64_t size = parse_size(key, value);
    if (!std::has_single_bit(size) || size < min || size > max) {
        refuse(key, value, fmt::format("expects a power of two from {} to {} bytes", min, max));
    }
    return static_cast<std::uint32_t>(size);
}

double parse_share(std::string_view key, std::string_view value)
{
    const bool percent = value.ends_with('%');
    const std::string_view digits = percent ? value.substr(0, value.size() - 1) : value;
    const bool plain = !digits.empty() && digits.find_first_not_of("0123456789.") == digits.npos;
    double number = -1;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const double most = percent ? 100 : 1;
    if (!plain || error != std::errc() || end != digits.data() + digits.size() || number > most) {
        refuse(key, value, "expects a share from 0 to 1, or from 0% to 100%");
    }
    return number / most;
}

std::chrono::milliseconds parse_duration(std::string_view key, std::string_view value,
                                         std::chrono::milliseconds min,
                                         std::chrono::milliseconds max)
{
    const std::string allowed = fmt::format(
        "expects a time from {} ms to {} s, such as 10s, 500ms or 2m (seconds without a suffix)",
        min.count(), std::chrono::duration_cast<std::chrono::seconds>(max).count());
    std::string_view unit;
    const auto number = leading_number(value, unit);
    std::uint64_t milliseconds = 0;
    if (unit == "ms") {
        milliseconds = 1;
    } else if (unit.empty() || unit == "s") {
        milliseconds = 1000;
    } else if (unit == "m") {
        milliseconds = 60000;
    }
    if (!number || milliseconds == 0 ||
        *number > static_cast<std::uint64_t>(max.count()) / milliseconds) {
        refuse(key, value, allowed);
    }
    const std::chrono::milliseconds time(*number * milliseconds);
    if (time < min) {
        refuse(key, value, allowed);
    }
    return time;
}

}  // namespace resilience
