// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "tools/nbdcrash/explore/enumerate.h"
#include "tools/nbdcrash/explore/runner.h"
#include "tools/nbdcrash/explore/subject.h"

namespace resilience::nbdcrash {

/// The command line of explore.
struct ExploreOptions {
    SubjectOptions subject;
    std::string mode = "all";
    unsigned exhaustive = 8;
    unsigned random = 64;
    std::uint64_t seed = 1;
    std::uint64_t tear = 0;  ///< bytes; 0: a log sector
    RunOptions run;
    bool list = false;
    std::string json;    ///< path, "-" or empty
    std::string report;  ///< folder, or empty
    std::string resume;  ///< path, or empty
};


void add_explore_options(CLI::App& command, ExploreOptions& options);

/// Throws ToolError if they make no sense with this log.
StateOptions state_options(const ExploreOptions& options, const Subject& subject);

/// Throws ToolError if a report cannot be written, before hours are spent on it, or if
/// the options contradict each other.
void prepare(ExploreOptions& options);

}  // namespace resilience::nbdcrash
