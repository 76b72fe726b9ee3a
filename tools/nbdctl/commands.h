// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/control/qmp_client.h"

namespace resilience::nbdctl {

using Clock = QmpClient::Clock;

/// A command may have to wait for a drain.
constexpr auto command_limit = std::chrono::seconds(60);

/// The exit statuses of nbdctl; its manual lists them.
enum class Exit : int { ok = 0, refused = 1, usage = 2, connection = 3, timeout = 4 };

/// Ends the program with a message and a status.
class ToolError : public std::runtime_error {
public:
    ToolError(Exit status, const std::string& message)
        : std::runtime_error(message), status_(status)
    {
    }
    Exit status() const { return status_; }

private:
    Exit status_;
};

/// The command line.
struct Options {
    std::string socket;
    std::string command;
    std::vector<std::string> words;
    bool json = false;
    std::optional<double> timeout;    ///< seconds
    std::optional<std::int64_t> count;
    double interval = 0.5;            ///< seconds

    /// The time limit as a duration; `fallback` when none was given.
    std::chrono::milliseconds limit(std::chrono::milliseconds fallback) const;
};

/// For those that take no words: throws ToolError if there are some.
void no_words(const Options& options);

/// Writes to standard output at once; throws ToolError if it cannot.
void print(const std::string& text);

/// What the words after a command mean, by what `command` (an element of
/// query-commands) declares.  KEY=VALUE gives the argument KEY; other words
/// give the required arguments that are left, in their order.  For a server
/// that declares no arguments (QEMU), values are taken for what they look
/// like.  Throws ToolError for usage.
Json words_to_arguments(const Json& command, const std::vector<std::string>& words);

/// " (did you mean 'NAME'?)", if one of `known` is near `word`; else nothing.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);
/// The commands that are no server's, a line each: for the manual page's summary.
std::string own_commands();
/// How to get help about a command that nobody has, with what may be meant.
/// `commands` is what query-commands returns.
std::string help_hint(const Json& commands, const std::string& name);
/// The element of `commands` for `name`; null if there is none.
const Json* find_command(const Json& commands, const std::string& name);

/// A command of the server's.
void run_command(const Options& options);
/// What commands there are, or with a word what that one does.
void run_help(const Options& options);
/// Prints events as they come.
void run_watch(const Options& options);
/// Waits for resyncs; `show`: and draws how far they are.
void run_progress(const Options& options, bool show);

}  // namespace resilience::nbdctl
