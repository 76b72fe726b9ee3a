// SPDX-License-Identifier: BSD-3-Clause

// What commands there are, and what somebody may have meant who wrote another
// one.  The server says what it has; only nbdctl's own commands are known here.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/parameter.h"
#include "tools/common/render.h"
#include "tools/nbdctl/commands.h"

namespace resilience::nbdctl {

using tools::printable;

namespace {

constexpr std::size_t page_columns = 78;

struct OwnCommand {
    const char* name;
    const char* options;
    const char* help;
};

constexpr std::array<OwnCommand, 4> own = {{
    {"help", "[COMMAND]", "list the server's commands, or explain one"},
    {"watch", "[--count N]", "print events as they come"},
    {"progress", "[--interval SECONDS]",
     "show how far resyncs (or a stream) are, until all are done"},
    {"wait-resync", "[--interval SECONDS]", "the same, in silence"},
}};

std::string name_of(const Json& described) { return printable(described.value("name", "")); }

/// One command with its arguments.
std::string render_command(const Json& command)
{
    const Json arguments = command.value("arguments", Json::array());
    std::string line = name_of(command);
    std::string text;
    std::size_t columns = 0;
    for (const Json& argument : arguments) {
        columns = std::max(columns, tools::width(name_of(argument)));
    }
    for (const Json& argument : arguments) {
        const std::string name = name_of(argument);
        const std::string type = printable(argument.value("type", ""));
        line += argument.value("required", false) ? fmt::format(" {}={}", name, type)
                                                  : fmt::format(" [{}={}]", name, type);
        text += "      " + tools::pad(name, columns, false) + "  " +
                printable(argument.value("help", "")) + "\n";
    }
    const std::string help = printable(command.value("help", ""));
    return line + "\n" + (help.empty() ? "" : "    " + help + "\n") + text;
}

/// "child-add SPEC": a command with what it cannot do without.
std::string in_short(const Json& command)
{
    std::string text = name_of(command);
    for (const Json& argument : command.value("arguments", Json::array())) {
        if (argument.value("required", false)) {
            std::string name = name_of(argument);
            std::transform(name.begin(), name.end(), name.begin(), [](char c) {
                return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
            });
            text += " " + name;
        }
    }
    return text;
}

/// Names one after the other, in as many lines as they need.
std::string fill(const std::vector<std::string>& names)
{
    std::string text;
    std::string line;
    for (const std::string& name : names) {
        if (!line.empty() && tools::width(line) + 2 + tools::width(name) > page_columns) {
            text += line + ",\n";
            line.clear();
        }
        line += (line.empty() ? "  " : ", ") + name;
    }
    return text + line + "\n";
}

/// A line for each command; those that say nothing of themselves, and QEMU's,
/// only by name.
std::string render_commands(const Json& commands)
{
    std::vector<std::pair<std::string, std::string>> lines;
    std::vector<std::string> silent;
    std::vector<std::string> qemu;
    std::size_t columns = 0;
    for (const Json& command : commands) {
        const std::string help = printable(command.value("help", ""));
        if (command.value("qemu", false)) {
            qemu.push_back(name_of(command));
        } else if (help.empty()) {
            silent.push_back(name_of(command));
        } else {
            lines.emplace_back(in_short(command), help);
            columns = std::max(columns, tools::width(lines.back().first));
        }
    }
    std::string text;
    for (const auto& [command, help] : lines) {
        text += tools::pad(command, columns, false) + "  " + help + "\n";
    }
    text += silent.empty() ? "" : "Commands:\n" + fill(silent);
    text += qemu.empty() ? "" : "Commands as QEMU has them:\n" + fill(qemu);
    return text + "Commands of nbdctl itself:\n  help [COMMAND], watch, progress, wait-resync\n"
                  "'help COMMAND' explains one, with all its arguments.\n";
}

std::string explain(const Options& options, const Json& commands)
{
    const std::string& name = options.words.front();
    if (const Json* command = find_command(commands, name)) {
        return options.json ? to_pretty(*command) + "\n" : render_command(*command);
    }
    const auto found =
        std::find_if(own.begin(), own.end(), [&](const OwnCommand& each) { return name == each.name; });
    if (found == own.end()) {
        throw ToolError(Exit::usage,
                        fmt::format("help: no command '{}'{}", name, help_hint(commands, name)));
    }
    return fmt::format("{} {}\n    {}\n", found->name, found->options, found->help);
}

}  // namespace

const Json* find_command(const Json& commands, const std::string& name)
{
    const auto found = std::find_if(commands.begin(), commands.end(), [&](const Json& command) {
        return command.value("name", "") == name;
    });
    return found == commands.end() ? nullptr : &*found;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known)
{
    const std::string near = closest_name(word, known);
    return near.empty() ? "" : fmt::format(" (did you mean '{}'?)", printable(near));
}

std::string help_hint(const Json& commands, const std::string& name)
{
    if (find_command(commands, name)) {
        return "";
    }
    std::vector<std::string> known;
    for (const Json& command : commands) {
        known.push_back(command.value("name", ""));
    }
    for (const OwnCommand& command : own) {
        known.emplace_back(command.name);
    }
    return did_you_mean(name, known) + "; 'nbdctl SOCKET help' lists the commands";
}

std::string own_commands()
{
    std::string text;
    for (const OwnCommand& command : own) {
        text += fmt::format("  {:<12} {}\n", command.name, command.help);
    }
    return text;
}

void run_help(const Options& options)
{
    if (options.words.size() > 1) {
        throw ToolError(Exit::usage, fmt::format("help: explains one command, but '{}' is given too",
                                                 options.words[1]));
    }
    const auto deadline = Clock::now() + options.limit(command_limit);
    QmpClient client(options.socket, deadline);
    const Json commands = client.execute("query-commands", Json::object(), deadline);
    if (!options.words.empty()) {
        print(explain(options, commands));
    } else {
        print(options.json ? to_pretty(commands) + "\n" : render_commands(commands));
    }
}

}  // namespace resilience::nbdctl
