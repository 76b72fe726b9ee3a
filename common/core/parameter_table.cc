// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/parameter_table.h"

#include <algorithm>
#include <stdexcept>

namespace resilience {

namespace {

constexpr std::string_view placeholder = "NAME";

/// What stands for NAME in `key` if it is one of the row `name`; empty if the row
/// has no NAME; nullopt if the key is another row's.
std::optional<std::string_view> label_of(std::string_view name, std::string_view key)
{
    const std::size_t at = name.find(placeholder);
    if (at == name.npos) {
        return name == key ? std::optional(std::string_view()) : std::nullopt;
    }
    const std::string_view head = name.substr(0, at);
    const std::string_view tail = name.substr(at + placeholder.size());
    if (key.size() < head.size() + tail.size() || !key.starts_with(head) || !key.ends_with(tail)) {
        return std::nullopt;
    }
    const auto label = key.substr(head.size(), key.size() - head.size() - tail.size());
    return label.find('.') == label.npos ? std::optional(label) : std::nullopt;
}

}  // namespace

void ParameterTable::add(std::vector<Parameter> rows, std::string_view heading)
{
    for (Parameter& row : rows) {
        rows_.push_back({std::move(row), std::string(heading), {}});
    }
}

bool ParameterTable::set(std::string_view key, std::string_view value,
                         const std::string& directory)
try {
    for (Row& row : rows_) {
        const auto label = label_of(row.name, key);
        if (!label) {
            continue;
        }
        if (!is_name(*label) && row.name.find(placeholder) != row.name.npos) {
            throw SetupError(fmt::format("{}: '{}' is no name: use letters, digits, '-' and '_'",
                                         key, *label));
        }
        for (const auto& [known, first] : row.given) {
            if (!row.value.once.empty() && known == key) {
                throw SetupError(fmt::format("{}={}: {} has been given already, as '{}'", key,
                                             value, row.value.once, first));
            }
        }
        row.value.set({key, value, directory, *label});
        row.given.emplace_back(key, value);
        return true;
    }
    if (key.starts_with(prefix_)) {
        refuse(key);
    }
    return false;
} catch (const std::invalid_argument& error) {
    throw SetupError(error.what());
}

void ParameterTable::refuse(std::string_view key) const
{
    std::string text = fmt::format("{}: unknown parameter '{}'", module_, key);
    std::vector<std::string> names;
    std::vector<std::string> tails;
    std::string stem;  // of the rows whose beginning the key has: "quorum-child.NAME."
    for (const Row& row : rows_) {
        const std::size_t at = row.name.find(placeholder);
        if (at == row.name.npos) {
            names.push_back(row.name);
        } else if (key.starts_with(row.name.substr(0, at)) &&
                   row.name.size() > at + placeholder.size()) {
            stem = row.name.substr(0, at + placeholder.size() + 1);
            tails.push_back(row.name.substr(stem.size()));
        }
    }
    const std::string closest = closest_name(key, names);
    if (!tails.empty()) {
        text += fmt::format("; behind {} stands {}", stem, takes::listed(tails));
    } else if (!closest.empty()) {
        text += fmt::format("; did you mean '{}'?", closest);
    } else {
        text += "; --help lists those that there are";
    }
    throw SetupError(text);
}

std::string ParameterTable::given_of(std::string_view heading) const
{
    for (const Row& row : rows_) {
        if (row.heading == heading && !row.given.empty()) {
            return row.given.front().first;
        }
    }
    return {};
}

std::string ParameterTable::help() const
{
    std::string text;
    std::string_view heading;
    for (const Row& row : rows_) {
        if (row.heading != heading) {
            heading = row.heading;
            text += fmt::format("{}:\n", heading);
        }
        text += fmt::format("{:<30} {}", row.name + "=" + row.value.word, row.help);
        if (!row.value.initial.empty() && row.help.find("default") == row.help.npos) {
            text += fmt::format(" (default {})", row.value.initial);
        }
        text += ".\n";
    }
    text.erase(text.find_last_not_of('\n') + 1);
    return text;
}

namespace takes {

std::string size_text(std::uint64_t bytes)
{
    std::string_view suffixes = "KMGT";
    std::string suffix;
    while (bytes != 0 && bytes % 1024 == 0 && !suffixes.empty()) {
        bytes /= 1024;
        suffix = suffixes.front();
        suffixes.remove_prefix(1);
    }
    return fmt::format("{}{}", bytes, suffix);
}

std::string time_text(std::chrono::milliseconds time)
{
    const auto ms = time.count();
    return ms == 0 ? "" : ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

std::string listed(std::span<const std::string> words, std::string_view between,
                   std::string_view last)
{
    std::string text;
    for (const std::string& word : words) {
        text += text.empty() ? "" : &word == &words.back() ? last : between;
        text += word;
    }
    return text;
}

std::size_t which(const Given& given, std::span<const std::string> words,
                  std::string_view allowed)
{
    const auto found = std::ranges::find(words, given.value);
    if (found == words.end()) {
        throw std::invalid_argument(
            fmt::format("{}={}: {}", given.key, given.value,
                        allowed.empty() ? "expects " + listed(words) : std::string(allowed)));
    }
    return static_cast<std::size_t>(found - words.begin());
}

ParameterValue truth(bool& target) { return parsed("<BOOL>", target, parse_bool); }

ParameterValue name(std::string& target) { return parsed("<NAME>", target, parse_name); }

ParameterValue text(std::string word, std::string& target)
{
    return parsed(std::move(word), target,
                  [](std::string_view, std::string_view value) { return std::string(value); });
}

ParameterValue path(std::string& target)
{
    return {"<PATH>", target,
            [&target](const Given& given) {
                target = parse_path(given.key, given.value, given.directory);
            },
            {}};
}

std::chrono::milliseconds parse_time(std::string_view key, std::string_view value)
{
    return parse_duration(key, value, std::chrono::milliseconds(10), std::chrono::hours(1));
}

ParameterValue duration(std::chrono::milliseconds& target)
{
    return parsed("<T>", target, parse_time);
}

}  // namespace takes

}  // namespace resilience
