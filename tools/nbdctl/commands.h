// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/control/qmp_client.h"
#include "tools/nbdctl/tool_error.h"

namespace resilience::nbdctl {

using Clock = QmpClient::Clock;

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

/// Writes to standard output at once; throws ToolError if it cannot.
void print(const std::string& text);

/// A command of the server's.
void run_command(const Options& options);
/// What commands there are.
void run_help(const Options& options);
/// Prints events as they come.
void run_watch(const Options& options);
/// Waits for resyncs; `show`: and draws how far they are.
void run_progress(const Options& options, bool show);

}  // namespace resilience::nbdctl
