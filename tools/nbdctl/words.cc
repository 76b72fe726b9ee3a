// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdctl/commands.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/control/json.h"
#include "common/core/parameter.h"

namespace resilience::nbdctl {

namespace {

[[noreturn]] void usage(const std::string& text)
{
    throw ToolError(Exit::usage, text);
}

template <typename T>
std::optional<T> from_text(std::string_view text)
{
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
        return std::nullopt;
    }
    return value;
}

/// Digits, perhaps with a sign, perhaps with one of K, M, G, T, P, E for
/// powers of 1024.
std::optional<Json> to_integer(std::string_view text)
{
    constexpr std::string_view suffixes = "KMGTPE";
    unsigned shift = 0;
    if (!text.empty()) {
        const char last = text.back() == 'k' ? 'K' : text.back();
        if (const auto at = suffixes.find(last); at != std::string_view::npos) {
            shift = 10 * (static_cast<unsigned>(at) + 1);
            text.remove_suffix(1);
        }
    }
    if (const auto value = from_text<std::int64_t>(text)) {
        const std::int64_t most = std::numeric_limits<std::int64_t>::max() >> shift;
        if (*value > most || *value < -most) {
            return shift == 0 ? std::optional<Json>(*value) : std::nullopt;
        }
        return Json(*value * (std::int64_t{1} << shift));
    }
    if (const auto value = from_text<std::uint64_t>(text); value && shift == 0) {
        return Json(*value);
    }
    return std::nullopt;
}

Json typed(const std::string& name, const std::string& type, const std::string& text)
{
    std::optional<Json> value;
    const char* allowed = "";
    if (type == "integer") {
        value = to_integer(text);
        allowed = "an integer, such as 4096 or 64K";
    } else if (type == "number") {
        if (const auto number = from_text<double>(text)) {
            value = to_integer(text).value_or(Json(*number));
        }
        allowed = "a number, such as 0.5";
    } else if (type == "boolean") {
        try {
            value = parse_bool(name, text);
        } catch (const std::invalid_argument&) {
        }
        allowed = "true or false";
    } else if (type == "any") {
        value = parse_json(text).value_or(Json(text));
    } else {
        value = Json(text);
    }
    if (!value) {
        usage(fmt::format("{}={}: must be {}", name, text, allowed));
    }
    return *value;
}

const Json* find(const Json& declared, std::string_view name)
{
    for (const Json& argument : declared) {
        if (argument.value("name", "") == name) {
            return &argument;
        }
    }
    return nullptr;
}

std::vector<std::string> names_of(const Json& declared)
{
    std::vector<std::string> names;
    for (const Json& argument : declared) {
        names.push_back(argument.value("name", ""));
    }
    return names;
}

/// For the end of a message: what there is, and where it is explained.
std::string list_of(const std::string& command, const Json& declared)
{
    return declared.empty() ? "none"
                            : fmt::format("{} ('nbdctl SOCKET help {}' explains them)",
                                          fmt::join(names_of(declared), ", "), command);
}

/// The first required argument that has no value yet.
const Json* next_required(const Json& declared, const Json& given)
{
    for (const Json& argument : declared) {
        if (argument.value("required", false) && !given.contains(argument.value("name", ""))) {
            return &argument;
        }
    }
    return nullptr;
}

}  // namespace

Json words_to_arguments(const Json& command, const std::vector<std::string>& words)
{
    const std::string name = command.value("name", "");
    const bool declares = command.contains("arguments");
    const Json declared = command.value("arguments", Json::array());
    Json given = Json::object();
    std::vector<std::string> positional;
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        const std::string key = word.substr(0, equals);
        const Json* argument = find(declared, key);
        if (equals == std::string::npos || (!argument && !is_name(key))) {
            positional.push_back(word);
            continue;
        }
        if (declares && !argument) {
            usage(fmt::format("{}: no argument '{}'{}; its arguments are: {}", name, key,
                              did_you_mean(key, names_of(declared)), list_of(name, declared)));
        }
        if (given.contains(key)) {
            usage(fmt::format("{}: argument '{}' is given twice", name, key));
        }
        given[key] = typed(key, argument ? argument->value("type", "any") : "any",
                           word.substr(equals + 1));
    }
    for (const std::string& word : positional) {
        const Json* argument = next_required(declared, given);
        if (!argument) {
            usage(fmt::format("{}: one word too many: '{}'; its arguments are: {}", name, word,
                              list_of(name, declared)));
        }
        const std::string key = argument->value("name", "");
        given[key] = typed(key, argument->value("type", "any"), word);
    }
    return given;
}

}  // namespace resilience::nbdctl
