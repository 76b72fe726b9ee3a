// SPDX-License-Identifier: BSD-3-Clause

// nbdctl: the human face of the control socket.
//
// It knows no command of any server.  It asks the server what commands there
// are, turns words into arguments of the declared types, and prints whatever
// comes back in a generic form.  Its own commands are help, watch, progress and
// wait-resync, which are about waiting and reading.

#include <cstdio>
#include <exception>
#include <string_view>

#include <CLI/CLI.hpp>

#include "common/control/json.h"
#include "tools/nbdctl/commands.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

namespace {

using namespace resilience::nbdctl;

void describe(CLI::App& app, Options& options)
{
    app.set_version_flag("--version", std::string("nbdctl " PACKAGE_VERSION));
    app.add_option("SOCKET", options.socket, "The server's control socket")->required();
    app.add_option("COMMAND", options.command, "What to do")->required();
    app.add_option("ARGUMENT", options.words,
                   "KEY=VALUE, or the values of required arguments in their order");
    app.add_flag("--json", options.json, "Print JSON, as the server sends it");
    app.add_option("--timeout", options.timeout, "Seconds to wait at most")
        ->check(CLI::Range(0.001, 1e8));
    app.add_option("--count", options.count, "watch: end after so many events")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 62));
    app.add_option("--interval", options.interval, "progress: seconds between two looks")
        ->check(CLI::Range(0.01, 3600.0));
    app.footer("Commands of nbdctl itself:\n" + own_commands() +
               "\n"
               "Exit status: 0 done, 1 the server refused, 2 wrong usage, 3 no connection,\n"
               "4 out of time.");
}

void run(const Options& options)
{
    if (options.command == "help") {
        run_help(options);
    } else if (options.command == "watch") {
        run_watch(options);
    } else if (options.command == "progress" || options.command == "wait-resync") {
        run_progress(options, options.command == "progress");
    } else {
        run_command(options);
    }
}

int end_with(Exit status, const char* message)
{
    std::fprintf(stderr, "nbdctl: %s\n", message);
    return static_cast<int>(status);
}

Exit exit_of(resilience::QmpError::Kind kind)
{
    switch (kind) {
    case resilience::QmpError::Kind::refused: return Exit::refused;
    case resilience::QmpError::Kind::usage: return Exit::usage;
    case resilience::QmpError::Kind::connection: return Exit::connection;
    case resilience::QmpError::Kind::timeout: return Exit::timeout;
    }
    return Exit::refused;
}

}  // namespace

int main(int argc, char** argv)
{
    CLI::App app("Control a running server of nbdkit-resilience", "nbdctl");
    Options options;
    try {
        describe(app, options);
        if (argc == 2 && std::string_view(argv[1]) == "help") {
            throw CLI::CallForHelp();  // no socket has this name
        }
        app.parse(argc, argv);
        run(options);
        return static_cast<int>(Exit::ok);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? static_cast<int>(Exit::ok) : static_cast<int>(Exit::usage);
    } catch (const resilience::QmpError& error) {
        return end_with(exit_of(error.kind()), error.what());
    } catch (const ToolError& error) {
        return end_with(error.status(), error.what());
    } catch (const resilience::Json::exception& error) {
        // A server of another kind, which answers in other types than ours.
        return end_with(Exit::connection, error.what());
    } catch (const std::exception& error) {
        return end_with(Exit::refused, error.what());
    }
}
