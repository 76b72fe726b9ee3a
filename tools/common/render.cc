// SPDX-License-Identifier: BSD-3-Clause
#include "tools/common/render.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/control/json.h"

namespace resilience::tools {

namespace {

bool is_bytes(std::string_view key)
{
    return key == "bytes" || key.ends_with("-bytes");
}

/// The unit that a key's ending stands for.
std::string_view unit_of(std::string_view key)
{
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> units = {{
        {"-seconds", " s"}, {"-ms", " ms"}, {"-us", " us"}, {"-ns", " ns"},
        {"-percent", " %"}, {"-sectors", " sectors"},
    }};
    for (const auto& [ending, unit] : units) {
        if (key.ends_with(ending)) {
            return unit;
        }
    }
    return "";
}

/// A value on one line.  `exact`: bytes also as a plain number.
std::string scalar(const std::string& key, const Json& value, bool exact)
{
    if (value.is_null()) {
        return "-";
    }
    if (value.is_boolean()) {
        return value.get<bool>() ? "yes" : "no";
    }
    if (value.is_string()) {
        return printable(value.get<std::string>());
    }
    if (value.is_number_unsigned() && is_bytes(key)) {
        const auto bytes = value.get<std::uint64_t>();
        return exact && bytes >= 1024 ? fmt::format("{} ({} bytes)", format_bytes(bytes), bytes)
                                      : format_bytes(bytes);
    }
    if (value.is_number()) {
        return to_line(value) + std::string(unit_of(key));
    }
    if (value.is_array()) {
        std::string list;
        for (const Json& element : value) {
            list += (list.empty() ? "" : ", ") + scalar(key, element, false);
        }
        return list.empty() ? "none" : list;
    }
    // An object inside a line: mostly counters, and those that are 0 say
    // nothing.  A name that ends with its unit needs no second one.
    std::string list;
    for (const auto& [name, member] : value.items()) {
        if (member.is_number() && member == 0) {
            continue;
        }
        const bool plain = member.is_number() && !is_bytes(name);
        list += (list.empty() ? "" : " ") + printable(name) + "=" +
                (plain ? to_line(member) : scalar(name, member, false));
    }
    return list.empty() ? "-" : list;
}

bool has_rows(const Json& value)
{
    return value.is_array() && !value.empty() &&
           std::all_of(value.begin(), value.end(), [](const Json& row) { return row.is_object(); });
}

/// Objects that fit on a line each.
bool is_table(const Json& value)
{
    return has_rows(value) && std::all_of(value.begin(), value.end(), [](const Json& row) {
               return std::none_of(row.begin(), row.end(), has_rows);
           });
}

std::vector<std::string> columns_of(const Json& rows)
{
    std::vector<std::string> columns;
    for (const Json& row : rows) {
        for (const auto& [key, value] : row.items()) {
            if (std::find(columns.begin(), columns.end(), key) == columns.end()) {
                columns.push_back(key);
            }
        }
    }
    return columns;
}

std::string join_row(const std::vector<std::string>& cells, std::string_view indent)
{
    std::string line(indent);
    for (const std::string& cell : cells) {
        line += (line.size() == indent.size() ? "" : "  ") + cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
}

std::string render_table(const Json& rows, std::string_view indent)
{
    const std::vector<std::string> columns = columns_of(rows);
    std::vector<std::vector<std::string>> lines(rows.size() + 1);
    for (const std::string& column : columns) {
        std::vector<std::string> cells = {printable(column)};
        bool numbers = true;
        for (const Json& row : rows) {
            const Json value = row.value(column, Json());
            numbers = numbers && (value.is_number() || value.is_null());
            cells.push_back(scalar(column, value, false));
        }
        std::size_t columns_needed = 0;
        for (const std::string& cell : cells) {
            columns_needed = std::max(columns_needed, width(cell));
        }
        for (std::size_t i = 0; i < cells.size(); ++i) {
            lines[i].push_back(pad(cells[i], columns_needed, numbers));
        }
    }
    std::string text;
    for (const auto& line : lines) {
        text += join_row(line, indent);
    }
    return text;
}

std::string render_object(const Json& object, const std::string& indent);

/// Objects that hold tables of their own, one after the other.
std::string render_records(const Json& records, const std::string& indent)
{
    std::string text;
    for (const Json& record : records) {
        text += (text.empty() ? "" : "\n") + render_object(record, indent);
    }
    return text;
}

/// Texts that need a line each; words go side by side.
bool is_text(const Json& value)
{
    return value.is_array() && std::any_of(value.begin(), value.end(), [](const Json& element) {
               return element.is_string() && element.get<std::string>().find(' ') != std::string::npos;
           });
}

std::string render_text(const Json& lines, const std::string& indent)
{
    std::string text;
    for (const Json& line : lines) {
        text += indent + scalar({}, line, false) + "\n";
    }
    return text;
}

std::string render_object(const Json& object, const std::string& indent)
{
    std::size_t columns = 0;
    for (const auto& [key, value] : object.items()) {
        columns = std::max(columns, width(printable(key)) + 1);
    }
    std::string text;
    for (const auto& [key, value] : object.items()) {
        const std::string label = printable(key) + ":";
        if (is_table(value)) {
            text += indent + label + "\n" + render_table(value, indent + "  ");
        } else if (has_rows(value)) {
            text += indent + label + "\n" + render_records(value, indent + "  ");
        } else if (is_text(value)) {
            text += indent + label + "\n" + render_text(value, indent + "  ");
        } else if (value.is_object() && !value.empty()) {
            text += indent + label + "\n" + render_object(value, indent + "  ");
        } else {
            text += indent + pad(label, columns, false) + " " + scalar(key, value, true) + "\n";
        }
    }
    return text;
}

}  // namespace

std::size_t width(std::string_view text)
{
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

std::string pad(const std::string& text, std::size_t columns, bool right)
{
    const std::size_t have = width(text);
    const std::string space(columns > have ? columns - have : 0, ' ');
    return right ? space + text : text + space;
}

std::string printable(std::string_view text)
{
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        // 0xc2 0x80 to 0xc2 0x9f are control characters in UTF-8.
        const bool second = byte == 0xc2 && i + 1 < text.size() &&
                            static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (second) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
        } else if (byte < 0x20 || byte == 0x7f) {
            result += fmt::format("\\x{:02x}", byte);
        } else {
            result += text[i];
        }
    }
    return result;
}

std::string format_bytes(std::uint64_t bytes)
{
    constexpr std::array<const char*, 7> units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t unit = 0;
    double value = static_cast<double>(bytes);
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    std::string number = fmt::format("{:.1f}", value);
    if (number.ends_with(".0")) {
        number.resize(number.size() - 2);
    }
    return number + " " + units[unit];
}

std::string render_line(const Json& value) { return scalar("", value, false); }

std::string render(const Json& value)
{
    if (value.is_object()) {
        return render_object(value, "");
    }
    if (is_table(value)) {
        return render_table(value, "");
    }
    if (has_rows(value)) {
        return render_records(value, "");
    }
    return scalar("", value, true) + "\n";
}

}  // namespace resilience::tools
