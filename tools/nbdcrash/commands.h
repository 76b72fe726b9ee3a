// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Each command of nbdcrash is a file of its own, which declares its options to
// CLI11 and sets `run` when the command line asks for it.

#include <chrono>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "tools/nbdcrash/opened_log.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

using Run = std::function<Exit()>;

void add_info(CLI::App& app, Run& run);
void add_list(CLI::App& app, Run& run);
void add_marks(CLI::App& app, Run& run);
void add_epochs(CLI::App& app, Run& run);
void add_stats(CLI::App& app, Run& run);
void add_diff(CLI::App& app, Run& run);
void add_replay(CLI::App& app, Run& run);
void add_verify(CLI::App& app, Run& run);
void add_repair(CLI::App& app, Run& run);
void add_convert(CLI::App& app, Run& run);
void add_compact(CLI::App& app, Run& run);
void add_explore(CLI::App& app, Run& run);
void add_bisect(CLI::App& app, Run& run);
void add_minimize(CLI::App& app, Run& run);
void add_plot(CLI::App& app, Run& run);

/// LOG, --json and --no-index.
void add_log_options(CLI::App& command, LogOptions& options);

/// An option whose value is a number of bytes: digits, perhaps with k, M, G, T.
void add_size_option(CLI::App& command, const std::string& name, std::uint64_t& value,
                     const std::string& help);

/// An option whose value is a time, from 1 ms to `longest`: 30s, 10m.
void add_duration_option(CLI::App& command, const std::string& name,
                         std::chrono::milliseconds& value, std::chrono::milliseconds longest,
                         const std::string& help);

/// Called as replay-log: the old tool's command line.  Returns its exit status.
int replay_log_main(int argc, char** argv);

}  // namespace resilience::nbdcrash
