// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdctl/commands.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sys/signalfd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/common/render.h"

namespace resilience::nbdctl {

using tools::printable;

namespace {

constexpr auto connect_limit = std::chrono::seconds(10);
/// No end, as far as people are concerned; adding it to now() does not overflow.
constexpr auto for_ever = std::chrono::hours(24 * 365 * 10);

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

/// One event on one line, in words.
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

}  // namespace

std::chrono::milliseconds Options::limit(std::chrono::milliseconds fallback) const
{
    return timeout ? std::chrono::milliseconds(static_cast<std::int64_t>(*timeout * 1000))
                   : fallback;
}

void no_words(const Options& options)
{
    if (!options.words.empty()) {
        throw ToolError(Exit::usage, fmt::format("{}: takes no arguments, but '{}' is given",
                                                 options.command, options.words.front()));
    }
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
    const auto commands = [&] {
        return client.execute("query-commands", Json::object(), deadline);
    };
    Json arguments = Json::object();
    if (!options.words.empty()) {
        const Json all = commands();
        // One that is not there is the server's to refuse, in its words.
        const Json* declared = find_command(all, options.command);
        arguments = words_to_arguments(declared ? *declared : Json::object({{"name", options.command}}),
                                       options.words);
    }
    Json result;
    try {
        result = client.execute(options.command, arguments, deadline);
    } catch (const QmpError& error) {
        if (error.kind() != QmpError::Kind::refused) {
            throw;
        }
        throw ToolError(Exit::refused, error.what() + help_hint(commands(), options.command));
    }
    print(options.json ? to_pretty(result) + "\n" : tools::render(result));
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
