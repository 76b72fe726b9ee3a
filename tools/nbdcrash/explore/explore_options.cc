// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/explore_options.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "tools/nbdcrash/commands.h"
#include "tools/nbdcrash/explore/report.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

constexpr unsigned most_jobs = 256;
constexpr unsigned most_random = 1'000'000;
constexpr std::chrono::hours longest_time{24 * 365};

bool folder_is_writable(const std::string& path)
{
    const auto folder = std::filesystem::path(path).parent_path();
    return ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) == 0;
}

}  // namespace

void add_explore_options(CLI::App& command, ExploreOptions& options)
{
    add_subject_options(command, options.subject, true);
    add_check_options(command, options.subject.check);
    command.add_option("--mode", options.mode,
                       "Which states: after each flush, each fua, each prefix, subset (of what "
                       "was not durable), torn (in part), or all")
        ->check(CLI::IsMember({"flush", "fua", "prefix", "subset", "torn", "all"}));
    command.add_option("--exhaustive", options.exhaustive,
                       "All subsets of so many writes; default 8")
        ->check(CLI::Range(0U, max_exhaustive));
    command.add_option("--random", options.random,
                       "Of more writes, so many random subsets for each moment; default 64")
        ->check(CLI::Range(0U, most_random));
    command.add_option("--seed", options.seed, "For what is random; default 1");
    add_size_option(command, "--tear", options.tear,
                    "So many bytes are never torn; default: a sector of the log");
    command.add_option("--jobs", options.run.jobs, "So many checks at a time; default 1")
        ->check(CLI::Range(1U, most_jobs));
    add_duration_option(command, "--time", options.run.time, longest_time,
                        "Begin no check after this time: 30s, 10m");
    command.add_flag_function(
        "--no-read-pruning",
        [&options](std::int64_t) { options.run.prune_by_reads = false; },
        "Check also states that differ only where the checker reads nothing");
    command.add_flag("--second-crash", options.run.second.wanted,
                     "Look also at crashes while the checker repairs a state");
    command.add_option("--second-check", options.subject.check.second_check,
                       "Decides about the states that those leave behind; default: --check");
    command.add_option("--second-exhaustive", options.run.second.exhaustive,
                       "Of those, all subsets of so many writes; default 4")
        ->check(CLI::Range(0U, max_exhaustive));
    command.add_option("--second-random", options.run.second.random,
                       "And so many random ones for each moment; default 8")
        ->check(CLI::Range(0U, most_random));
    command.add_flag("--list", options.list, "Print the states, and check nothing");
    command.add_option("--json", options.json, "Write a report to this file; -: to stdout");
    command.add_option("--report", options.report,
                       "Write report.json, junit.xml, states.txt, picture.svg and index.html to "
                       "this folder");
    command.add_option("--resume", options.resume,
                       "Keep results in this file, and go on with those that are in it");
}

StateOptions state_options(const ExploreOptions& options, const Subject& subject)
{
    StateOptions states;
    const auto wants = [&](const char* mode) {
        return options.mode == "all" || options.mode == mode;
    };
    states.flush = wants("flush");
    states.fua = wants("fua");
    states.prefix = wants("prefix");
    states.subset = wants("subset");
    states.torn = wants("torn");
    states.from = subject.from();
    states.to = subject.to();
    states.exhaustive = options.exhaustive;
    states.random = options.random;
    states.seed = options.seed;
    states.sector_size = subject.log().file->sector_size();
    const std::uint64_t tear = options.tear == 0 ? states.sector_size : options.tear;
    if (tear % states.sector_size != 0 || tear > (std::uint64_t{1} << 30)) {
        throw ToolError(fmt::format("--tear={}: must be a multiple of {}, the sector of this log, "
                                    "and at most 1G",
                                    tear, states.sector_size));
    }
    states.tear = static_cast<std::uint32_t>(tear);
    return states;
}

void prepare(ExploreOptions& options)
{
    SecondOptions& second = options.run.second;
    if (!second.wanted && !options.subject.check.second_check.empty()) {
        throw ToolError("--second-check is nothing without --second-crash");
    }
    if (second.wanted && options.subject.check.check.empty()) {
        throw ToolError("--second-crash needs --check: what a crash interrupts is its recovery");
    }
    for (const auto& [name, path] :
         {std::pair{"--json", options.json}, std::pair{"--report", options.report}}) {
        if (!path.empty() && path != "-" && !folder_is_writable(path)) {
            throw ToolError(fmt::format("{} {}: its folder cannot be written: {}", name, path,
                                        std::strerror(errno)));
        }
    }
    if (second.wanted && !options.report.empty()) {
        make_report_folder(options.report);
        second.keep = options.report;
    }
}

}  // namespace resilience::nbdcrash
