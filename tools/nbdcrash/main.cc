// SPDX-License-Identifier: BSD-3-Clause

// nbdcrash: what one can do with a recorded log on a command line.
//
// The library (common/replay) knows logs, points, states and content; here are
// the commands.  Each prints a document: for people, or with --json for
// programs.  Called as replay-log it is the old tool of that name instead.

#include <cstdio>
#include <exception>
#include <string_view>

#include <CLI/CLI.hpp>

#include "common/core/parameter.h"
#include "tools/common/render.h"
#include "tools/nbdcrash/commands.h"
#include "tools/nbdcrash/output.h"

#ifdef HAVE_CONFIG_H
#include "common/control/json.h"
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

namespace resilience::nbdcrash {

void add_log_options(CLI::App& command, LogOptions& options)
{
    command.add_option("LOG", options.log, "The log: a file or a block device")->required();
    command.add_flag("--json", options.json, "Print one JSON document");
    command.add_flag("--no-index", options.no_index, "Neither read nor write LOG.idx");
}

void add_size_option(CLI::App& command, const std::string& name, std::uint64_t& value,
                     const std::string& help)
{
    command.add_option_function<std::string>(
               name,
               [name, &value](const std::string& text) {
                   try {
                       value = parse_size(name, text);
                   } catch (const std::invalid_argument& error) {
                       throw ToolError(error.what());
                   }
                   if (value == 0) {
                       throw ToolError(name + "=" + text + ": must be larger than 0");
                   }
               },
               help)
        ->type_name("BYTES");
}

void add_duration_option(CLI::App& command, const std::string& name,
                         std::chrono::milliseconds& value, std::chrono::milliseconds longest,
                         const std::string& help)
{
    command.add_option_function<std::string>(
               name,
               [name, longest, &value](const std::string& text) {
                   try {
                       value = parse_duration(name, text, std::chrono::milliseconds(1), longest);
                   } catch (const std::invalid_argument& error) {
                       throw ToolError(error.what());
                   }
               },
               help)
        ->type_name("TIME");
}

namespace {

void describe(CLI::App& app, Run& run)
{
    app.set_version_flag("--version", std::string("nbdcrash " PACKAGE_VERSION));
    app.require_subcommand(1);
    add_info(app, run);
    add_list(app, run);
    add_marks(app, run);
    add_epochs(app, run);
    add_stats(app, run);
    add_diff(app, run);
    add_replay(app, run);
    add_verify(app, run);
    add_repair(app, run);
    add_convert(app, run);
    add_compact(app, run);
    add_explore(app, run);
    add_bisect(app, run);
    add_minimize(app, run);
    add_plot(app, run);
    app.footer("A point is N (the first N entries are done), mark:NAME, mark:NAME#2, flush:K,\n"
               "fua:K, eK (epoch K is written, but not flushed), or end.  A state is a point\n"
               "with :drop=N,... or :keep=N,... and :torn=N:SECTORS.\n\n"
               "Exit status: 0 done, or no difference; 1 a difference, damage or a bad state\n"
               "was found; 2 wrong usage, or it could not be done; 3 not finished, and\n"
               "nothing found.");
}

/// CLI11 would only say that a command is missing.
void check_command(const CLI::App& app, int argc, char** argv)
{
    if (argc < 2 || *argv[1] == '-') {
        return;
    }
    std::string names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (command->get_name() == argv[1]) {
            return;
        }
        names += (names.empty() ? "" : ", ") + command->get_name();
    }
    throw ToolError(fmt::format("'{}' is no command; there are: {}", argv[1], names));
}

int end_with(const char* message)
{
    report("{}", message);
    return static_cast<int>(Exit::failed);
}

int run_main(int argc, char** argv)
{
    CLI::App app("Look into logs of block devices, and stand at any point of them", "nbdcrash");
    Run run;
    try {
        describe(app, run);
        check_command(app, argc, argv);
        app.parse(argc, argv);
        const Exit status = run();
        if (std::fflush(stdout) != 0) {
            throw ToolError("cannot write the output");
        }
        return static_cast<int>(status);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? static_cast<int>(Exit::ok) : static_cast<int>(Exit::failed);
    } catch (const std::exception& error) {
        std::fflush(stdout);
        return end_with(error.what());
    }
}

bool is_called(std::string_view path, std::string_view name)
{
    const auto slash = path.rfind('/');
    std::string_view base = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (base.starts_with("lt-")) {
        base.remove_prefix(3);  // libtool runs programs that are not installed under that name
    }
    return base == name;
}

}  // namespace

}  // namespace resilience::nbdcrash

int main(int argc, char** argv)
{
    if (argc > 0 && resilience::nbdcrash::is_called(argv[0], "replay-log")) {
        return resilience::nbdcrash::replay_log_main(argc, argv);
    }
    return resilience::nbdcrash::run_main(argc, argv);
}
