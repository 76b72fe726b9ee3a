// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/output.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <unordered_map>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/common/render.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

/// The members of an object, one a line, without its braces.
std::string members(const Json& object)
{
    std::string text;
    for (const auto& [key, value] : object.items()) {
        text += (text.empty() ? "  " : ",\n  ") + to_line(Json(key)) + ": " + to_line(value);
    }
    return text;
}

}  // namespace

void print(std::string_view text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
        throw ToolError(fmt::format("cannot write the output: {}", std::strerror(errno)));
    }
}

void print(const Json& document, bool json)
{
    print(json ? to_pretty(document) + "\n" : tools::render(document));
}

ArrayPrinter::ArrayPrinter(const Json& head, std::string_view name)
{
    print("{\n");
    if (!head.empty()) {
        print(members(head) + ",\n");
    }
    print(fmt::format("  \"{}\": [", name));
}

void ArrayPrinter::add(const Json& element)
{
    print((first_ ? "\n    " : ",\n    ") + to_line(element));
    first_ = false;
}

void ArrayPrinter::end(const Json& tail)
{
    print(first_ ? "]" : "\n  ]");
    if (!tail.empty()) {
        print(",\n" + members(tail));
    }
    print("\n}\n");
}

std::string_view kind_of(const writelog::Record& record)
{
    using writelog::Kind;
    if (record.kind != Kind::unknown) {
        return writelog::to_string(record.kind);
    }
    if (record.is_mark()) {
        return "mark";
    }
    if (record.is_discard()) {
        return "trim";
    }
    return record.is_flush() && record.sectors == 0 ? "flush" : "write";
}

std::string flags_text(std::uint64_t flags)
{
    constexpr std::array<std::pair<std::uint64_t, const char*>, 5> names = {{
        {writelog::flag_flush, "FLUSH"}, {writelog::flag_fua, "FUA"},
        {writelog::flag_discard, "DISCARD"}, {writelog::flag_mark, "MARK"},
        {writelog::flag_metadata, "METADATA"},
    }};
    std::string text;
    for (const auto& [flag, name] : names) {
        if ((flags & flag) != 0) {
            text += (text.empty() ? "" : "|") + std::string(name);
            flags &= ~flag;
        }
    }
    if (flags != 0) {
        text += fmt::format("{}UNKNOWN.0x{:x}", text.empty() ? "" : "|", flags);
    }
    return text.empty() ? "NONE" : text;
}

std::vector<std::string> points_of_marks(const writelog::LogIndex& index)
{
    std::vector<std::string> points;
    std::unordered_map<std::string_view, std::uint64_t> seen;
    for (const writelog::Mark& mark : index.marks()) {
        const std::uint64_t which = ++seen[mark.name];
        points.push_back(which == 1 ? "mark:" + mark.name
                                    : fmt::format("mark:{}#{}", mark.name, which));
    }
    return points;
}

Json time_text(std::uint64_t ns)
{
    constexpr std::uint64_t second = 1'000'000'000;
    if (ns == 0) {
        return nullptr;
    }
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z",
                       fmt::gmtime(static_cast<std::time_t>(ns / second)), ns % second);
}

Json damage_json(const writelog::LogIndex& index)
{
    if (!index.damage()) {
        return nullptr;
    }
    return {{"entry", index.damage()->entry},
            {"position", index.damage()->position},
            {"text", index.damage()->text}};
}

}  // namespace resilience::nbdcrash
