// SPDX-License-Identifier: BSD-3-Clause

// plot: a log as a picture.

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "tools/common/progress_line.h"
#include "tools/nbdcrash/commands.h"
#include "tools/nbdcrash/explore/picture.h"
#include "tools/nbdcrash/explore/report.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

struct PlotOptions : LogOptions {
    std::string from;
    std::string to;
    std::string svg;
    std::string report;
    unsigned columns = 0;
    unsigned rows = 24;
};

/// The bad states of a report of explore.
void add_bad(const PlotOptions& options, const LogIndex& index, PictureInput& input)
{
    std::ifstream file(options.report);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto json = parse_json(text);
    if (!file || !json || !json->contains("failed")) {
        throw ToolError(fmt::format("--report {}: is no report of nbdcrash explore",
                                    options.report));
    }
    for (const Json& failed : (*json)["failed"]) {
        const std::string name = failed.value("state", "");
        const State state = resolve_state(index, name);
        input.bad.emplace_back(state.entries, name);
        if (state.dropped.size() + state.torn.size() == 1) {
            input.bad_entries.push_back(first_missing(state));
        }
    }
}

Exit plot(const PlotOptions& options)
{
    const OpenedLog log = open_whole_log(options);
    const LogIndex& index = *log.index;
    PictureInput input;
    input.from = options.from.empty() ? 0 : resolve_point(index, options.from);
    input.to = options.to.empty() ? index.size() : resolve_point(index, options.to);
    if (input.to <= input.from) {
        throw ToolError("there is nothing between --from and --to");
    }
    if (!options.report.empty()) {
        add_bad(options, index, input);
    }
    input.title = fmt::format("{}: entries {} to {}", options.log, input.from, input.to);
    if (!input.bad.empty()) {
        input.title += fmt::format(", {} bad states", input.bad.size());
    }
    if (!options.svg.empty()) {
        const std::string text = svg(index, input);
        options.svg == "-" ? print(text) : write_file(options.svg, text);
        return Exit::ok;
    }
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    print(terminal_picture(index, input,
                           options.columns != 0 ? options.columns
                                                : tools::terminal_columns(STDOUT_FILENO) - 1,
                           options.rows, terminal));
    return Exit::ok;
}

}  // namespace

void add_plot(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<PlotOptions>();
    CLI::App* command = app.add_subcommand("plot", "Show a log as a picture");
    command->add_option("LOG", options->log, "The log: a file or a block device")->required();
    command->add_flag("--no-index", options->no_index, "Neither read nor write LOG.idx");
    command->add_option("--from", options->from, "POINT: begin there; default: the beginning");
    command->add_option("--to", options->to, "POINT: end there; default: end");
    command->add_option("--svg", options->svg, "Write an SVG picture to this file; -: to stdout");
    command->add_option("--report", options->report,
                        "A report of explore, whose bad states are shown");
    command->add_option("--columns", options->columns, "Of the terminal's picture")
        ->check(CLI::Range(20U, 1000U));
    command->add_option("--rows", options->rows, "Of the terminal's picture; default 24")
        ->check(CLI::Range(4U, 200U));
    command->callback([options, &run] { run = [options] { return plot(*options); }; });
}

}  // namespace resilience::nbdcrash
