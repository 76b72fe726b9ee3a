// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdctl/render.h"

#include <algorithm>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "common/control/json.h"

namespace resilience::nbdctl {

namespace {

std::string time_of(const Json& event)
{
    const Json stamp = event.value("timestamp", Json::object());
    const auto seconds = static_cast<std::time_t>(stamp.value("seconds", std::int64_t{0}));
    return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:03}", fmt::localtime(seconds),
                       stamp.value("microseconds", std::int64_t{0}) / 1000);
}

std::string sectors_of(const Json& data)
{
    const auto first = data.value("sector-num", std::int64_t{0});
    const auto count = data.value("sectors-count", std::int64_t{0});
    if (count == 0) {
        return "";
    }
    return count == 1 ? fmt::format(" of sector {}", first)
                      : fmt::format(" of sectors {} to {}", first, first + count - 1);
}

}  // namespace

std::string render_event(const Json& event)
{
    const std::string name = event.value("event", "");
    const Json data = event.value("data", Json::object());
    std::string words;
    if (name == "QUORUM_REPORT_BAD") {
        const std::string type = data.value("type", "read");
        const std::string child = data.value("node-name", "?");
        words = data.contains("error")
                    ? fmt::format("child {}: {}{} failed: {}", child, type, sectors_of(data),
                                  data.value("error", ""))
                    : fmt::format("child {}: {}{} differs from what the others say", child, type,
                                  sectors_of(data));
    } else if (name == "QUORUM_FAILURE") {
        words = fmt::format("{}: no agreement on the content{}", data.value("reference", "?"),
                            sectors_of(data));
    } else {
        words = tools::render_line(data);
    }
    return fmt::format("{} {} {}\n", time_of(event), printable(name), printable(words));
}

std::string render_commands(const Json& commands)
{
    std::string text;
    for (const Json& command : commands) {
        const Json arguments = command.value("arguments", Json::array());
        std::string line = printable(command.value("name", ""));
        std::size_t columns = 0;
        for (const Json& argument : arguments) {
            const std::string name = printable(argument.value("name", ""));
            const std::string type = printable(argument.value("type", ""));
            const bool required = argument.value("required", false);
            line += required ? fmt::format(" {}={}", name, type)
                             : fmt::format(" [{}={}]", name, type);
            columns = std::max(columns, tools::width(name));
        }
        text += line + "\n";
        if (const std::string help = command.value("help", ""); !help.empty()) {
            text += "    " + printable(help) + "\n";
        }
        for (const Json& argument : arguments) {
            text += "      " + tools::pad(printable(argument.value("name", "")), columns, false) + "  " +
                    printable(argument.value("help", "")) + "\n";
        }
    }
    return text;
}

}  // namespace resilience::nbdctl
