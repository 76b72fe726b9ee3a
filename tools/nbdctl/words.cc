// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdctl/words.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/nbdctl/tool_error.h"

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

std::optional<Json> to_boolean(const std::string& text)
{
    for (const char* word : {"true", "yes", "on", "1"}) {
        if (text == word) {
            return Json(true);
        }
    }
    for (const char* word : {"false", "no", "off", "0"}) {
        if (text == word) {
            return Json(false);
        }
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
        value = to_boolean(text);
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

bool is_name(std::string_view text)
{
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz"
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::string list_of(const Json& declared)
{
    std::string list;
    for (const Json& argument : declared) {
        list += (list.empty() ? "" : ", ") + argument.value("name", "");
    }
    return list.empty() ? "none" : list;
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
            usage(fmt::format("{}: no argument '{}'; its arguments are: {}", name, key,
                              list_of(declared)));
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
                              list_of(declared)));
        }
        const std::string key = argument->value("name", "");
        given[key] = typed(key, argument->value("type", "any"), word);
    }
    return given;
}

}  // namespace resilience::nbdctl
