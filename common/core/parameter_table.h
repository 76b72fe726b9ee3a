// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The parameters of a module, a row for each: its name, what it takes, and what
// it is for.  The row is all there is: what the user gives is checked and stored
// by it, --help is made of it (which a test compares with the manual page), and
// what is in no row is refused with the name that may have been meant.
//
//     table.add({{"disk-file", takes::path(options.file), "Where it is"},
//                {"disk-sync", takes::truth(options.sync), "Wait for the disk"}});

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/core/parameter.h"
#include "common/core/setup_error.h"

namespace resilience {

/// One key=value of the command line, as the parameter's setter gets it.
struct Given {
    std::string_view key;    ///< the whole of it: "quorum-child.a.timeout"
    std::string_view value;
    std::string directory;   ///< the user's; relative paths are relative to it; absolute
    std::string_view label;  ///< what stands there for NAME: "a"; empty if the row has none
};

/// What a parameter takes, and what becomes of it.
struct ParameterValue {
    std::string word;     ///< for --help, behind the '=': "<SIZE>", "error|stop"
    std::string initial;  ///< for --help: what holds if it is not given; empty: nothing
    std::function<void(const Given&)> set;  ///< throws invalid_argument or SetupError
    std::string once;  ///< "a log": there is one, a second is refused; empty: the last one holds
};

/// A row.  A name may hold NAME, for a label that the user chooses (is_name()).
struct Parameter {
    std::string name;
    ParameterValue value;
    std::string help;  ///< no full stop; the default is added, if "default" is not in it
};

/// Not thread-safe; what the rows store into must live as long as the table.
class ParameterTable {
public:
    /// Keys that begin with `prefix` are the module's, known or not.
    ParameterTable(std::string module, std::string prefix)
        : module_(std::move(module)), prefix_(std::move(prefix))
    {
    }

    /// `heading` stands above these rows in --help; empty: nothing does.
    void add(std::vector<Parameter> rows, std::string_view heading = {});

    /// Stores a value.  False: it is for somebody else.  Throws SetupError for a
    /// value that is wrong and for an unknown key with the module's prefix.
    bool set(std::string_view key, std::string_view value, const std::string& directory);

    /// Says that there is no such parameter, and which ones there are.
    [[noreturn]] void refuse(std::string_view key) const;

    /// The first key that was given of those below `heading`; empty: none.
    std::string given_of(std::string_view heading) const;

    /// The text for nbdkit's --help: a line each.
    std::string help() const;

private:
    struct Row : Parameter {
        std::string heading;
        std::vector<std::pair<std::string, std::string>> given;  // keys and values
    };

    const std::string module_;
    const std::string prefix_;
    std::vector<Row> rows_;
};

/// What parameters take.  The target keeps its value as the default.
namespace takes {

/// "64K"; "1000" if it is not a round number.
std::string size_text(std::uint64_t bytes);
/// "10s", "500ms"; empty for 0.
std::string time_text(std::chrono::milliseconds time);
/// The place of `value` in `words`.  Throws std::invalid_argument with `allowed`,
/// or if that is empty: "expects a, b or c".
std::size_t which(const Given& given, std::span<const std::string> words,
                  std::string_view allowed = {});
/// "a, b or c".
std::string listed(std::span<const std::string> words, std::string_view between = ", ",
                   std::string_view last = " or ");

/// What parse(key, value) makes of it.
template <typename Target, typename Parse>
ParameterValue parsed(std::string word, Target& target, Parse parse)
{
    std::string initial;
    if constexpr (requires { target.has_value(); }) {
        // Nothing holds until it is given.
    } else if constexpr (std::is_same_v<Target, std::chrono::milliseconds>) {
        initial = time_text(target);
    } else if constexpr (std::is_integral_v<Target>) {
        initial = word == "<SIZE>" ? size_text(target) : fmt::format("{}", target);
    } else {
        initial = fmt::format("{}", target);
    }
    return {std::move(word), std::move(initial),
            [&target, parse](const Given& given) { target = parse(given.key, given.value); },
            {}};
}

ParameterValue truth(bool& target);
ParameterValue name(std::string& target);
/// Any text; `word` says of what.
ParameterValue text(std::string word, std::string& target);
/// Absolute from then on.
ParameterValue path(std::string& target);
template <typename Target>  // uint64_t, or an optional one
ParameterValue size(Target& target)
{
    return parsed("<SIZE>", target, parse_size);
}
/// A power of two; uint32_t, or an optional one.
template <typename Target>
ParameterValue power_of_two(Target& target, std::uint32_t min, std::uint32_t max)
{
    return parsed("<SIZE>", target, [min, max](std::string_view key, std::string_view value) {
        return parse_power_of_two(key, value, min, max);
    });
}
/// 10 ms to an hour: for what is waited for.
std::chrono::milliseconds parse_time(std::string_view key, std::string_view value);
ParameterValue duration(std::chrono::milliseconds& target);

/// One of some values, each with its word.
template <typename Target>
ParameterValue choice(Target& target,
                      std::initializer_list<std::pair<const char*, std::type_identity_t<Target>>>
                          allowed, std::string refusal = {})
{
    std::vector<std::string> words;
    std::vector<Target> values;
    std::string initial;
    for (const auto& [word, value] : allowed) {
        words.emplace_back(word);
        values.push_back(value);
        initial = value == target ? word : initial;
    }
    return {listed(words, "|", "|"), std::move(initial),
            [&target, words, values, refusal](const Given& given) {
                target = values[which(given, words, refusal)];
            },
            {}};
}

}  // namespace takes

}  // namespace resilience
