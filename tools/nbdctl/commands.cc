// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdctl/commands.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sys/signalfd.h>

#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/nbdctl/render.h"
#include "tools/nbdctl/words.h"

namespace resilience::nbdctl {

namespace {

/// A command may have to wait for a drain.
constexpr auto command_limit = std::chrono::seconds(60);
constexpr auto connect_limit = std::chrono::seconds(10);
/// No end, as far as people are concerned; adding it to now() does not overflow.
constexpr auto for_ever = std::chrono::hours(24 * 365 * 10);

void no_words(const Options& options)
{
    if (!options.words.empty()) {
        throw ToolError(Exit::usage, fmt::format("{}: takes no arguments, but '{}' is given",
                                                 options.command, options.words.front()));
    }
}

/// The element of query-commands for `name`.  One that is not there is the
/// server's to refuse, in its words.
Json declaration(const Json& commands, const std::string& name)
{
    for (const Json& command : commands) {
        if (command.value("name", "") == name) {
            return command;
        }
    }
    return {{"name", name}};
}

/// Ends a wait at SIGINT or SIGTERM, so that it can end in order.
UniqueFd stop_signals()
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    return UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

}  // namespace

std::chrono::milliseconds Options::limit(std::chrono::milliseconds fallback) const
{
    return timeout ? std::chrono::milliseconds(static_cast<std::int64_t>(*timeout * 1000))
                   : fallback;
}

void print(const std::string& text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        std::fflush(stdout) != 0) {
        throw ToolError(Exit::refused,
                        fmt::format("cannot write the output: {}", std::strerror(errno)));
    }
}

void run_command(const Options& options)
{
    const auto deadline = Clock::now() + options.limit(command_limit);
    QmpClient client(options.socket, deadline);
    Json arguments = Json::object();
    if (!options.words.empty()) {
        const Json commands = client.execute("query-commands", Json::object(), deadline);
        arguments = words_to_arguments(declaration(commands, options.command), options.words);
    }
    const Json result = client.execute(options.command, arguments, deadline);
    print(options.json ? to_pretty(result) + "\n" : render(result));
}

void run_help(const Options& options)
{
    no_words(options);
    const auto deadline = Clock::now() + options.limit(command_limit);
    QmpClient client(options.socket, deadline);
    const Json commands = client.execute("query-commands", Json::object(), deadline);
    print(options.json ? to_pretty(commands) + "\n" : render_commands(commands));
}

void run_watch(const Options& options)
{
    no_words(options);
    const UniqueFd stop = stop_signals();
    const auto start = Clock::now();
    QmpClient client(options.socket, start + std::min(options.limit(connect_limit),
                                                      std::chrono::milliseconds(connect_limit)));
    const auto deadline = start + options.limit(for_ever);
    for (std::int64_t seen = 0; !options.count || seen < *options.count; ++seen) {
        const std::optional<Json> event = client.next_event(deadline, stop.get());
        if (!event) {
            if (options.count && Clock::now() >= deadline) {
                throw ToolError(Exit::timeout, fmt::format("watch: {} of {} events came in time",
                                                           seen, *options.count));
            }
            return;
        }
        print(options.json ? to_line(*event) + "\n" : render_event(*event));
    }
}

}  // namespace resilience::nbdctl
