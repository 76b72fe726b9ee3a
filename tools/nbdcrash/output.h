// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the commands print.
//
// Everything is made as JSON first, whose keys are a promise to scripts, and
// shown to people from that, so that the two cannot say different things.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/control/json_fwd.h"
#include "common/replay/log_index.h"
#include "tools/common/render.h"

namespace resilience::nbdcrash {

/// To stdout.  Throws ToolError if it cannot be written.
void print(std::string_view text);

/// A line for people, to stderr: "nbdcrash: ...".  What stands in it comes from
/// files, so nothing of it reaches a terminal as a command.
template <typename... Args>
void report(fmt::format_string<Args...> format, Args&&... args)
{
    std::fflush(stdout);  // what was printed before comes before it
    std::fprintf(stderr, "nbdcrash: %s\n",
                 tools::printable(fmt::format(format, std::forward<Args>(args)...)).c_str());
}

/// One document: as JSON, or for people.
void print(const Json& document, bool json);

/// An array inside a document, element by element, for logs with millions of
/// entries: as JSON one element a line, so that the whole is one document and
/// yet can be cut with simple tools.
class ArrayPrinter {
public:
    /// `head`: the members before the array, which is called `name`.
    ArrayPrinter(const Json& head, std::string_view name);
    void add(const Json& element);
    /// `tail`: the members behind the array.
    void end(const Json& tail);

private:
    bool first_ = true;
};

/// What a request was: the extension's word, or by the flags "write", "trim",
/// "flush", "mark".
std::string_view kind_of(const writelog::Record& record);

/// "FLUSH|FUA", "NONE", "UNKNOWN.0x20".
std::string flags_text(std::uint64_t flags);

/// How each mark is named as a point: "mark:NAME", "mark:NAME#2" for the second
/// one of that name.
std::vector<std::string> points_of_marks(const writelog::LogIndex& index);

/// "2026-03-01T12:00:07.456789012Z"; null for 0.
Json time_text(std::uint64_t ns);

/// {"entry", "position", "text"}, or null.
Json damage_json(const writelog::LogIndex& index);

}  // namespace resilience::nbdcrash
