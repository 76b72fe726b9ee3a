// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/commands.h"

#include <numeric>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "tools/common/progress_line.h"
#include "tools/nbdcrash/content.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

struct DiffOptions : LogOptions {
    std::string first;
    std::string second;
    std::string base;
    bool content = false;
};

std::uint64_t sum(const std::vector<ByteRange>& ranges)
{
    return std::accumulate(
        ranges.begin(), ranges.end(), std::uint64_t{0},
        [](std::uint64_t all, const ByteRange& range) { return all + range.length; });
}

/// Those parts of `ranges` in which the bytes differ.
std::vector<ByteRange> really_different(const std::vector<ByteRange>& ranges, Device& first,
                                        Device& second)
{
    tools::ProgressLine progress("comparing", sum(ranges));
    std::vector<ByteRange> different;
    for (const ByteRange& range : ranges) {
        const auto part = compare(first, second, range,
                                  [&](std::uint64_t bytes) { progress.add(bytes); });
        different.insert(different.end(), part.begin(), part.end());
    }
    return different;
}

Json ranges_json(const std::vector<ByteRange>& ranges)
{
    Json rows = Json::array();
    for (const ByteRange& range : ranges) {
        rows.push_back({{"offset", range.offset}, {"length", range.length}});
    }
    return rows;
}

Exit diff(const DiffOptions& options)
{
    const OpenedLog log = open_whole_log(options);
    const Timeline timeline(log.file, log.index);
    const State first = resolve_state(*log.index, options.first);
    const State second = resolve_state(*log.index, options.second);
    const ContentMap first_map = timeline.at(first);
    const ContentMap second_map = timeline.at(second);
    const OpenedDevice base = open_base(options.base);
    const std::uint64_t size = device_size(log, 0, base.device().get()).bytes;

    std::vector<ByteRange> ranges = changed_ranges(first_map, second_map, size, bool(base));
    if (options.content) {
        check_bodies(log, first_map);
        check_bodies(log, second_map);
        ranges = really_different(ranges, *state_device(log, base.device(), first_map, size),
                                  *state_device(log, base.device(), second_map, size));
    }
    Json document = {{"log", log.file->path()},
                     {"from", to_string(*log.index, first)},
                     {"to", to_string(*log.index, second)},
                     {"content", options.content},
                     {"differing-bytes", sum(ranges)},
                     {"differences", ranges_json(ranges)}};
    print(document, options.json);
    return ranges.empty() ? Exit::ok : Exit::found;
}

}  // namespace

void add_diff(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<DiffOptions>();
    CLI::App* command = app.add_subcommand("diff", "What differs between two states of a log");
    add_log_options(*command, *options);
    command->add_option("FROM", options->first, "A point or state")->required();
    command->add_option("TO", options->second, "A point or state")->required();
    command->add_flag("--content", options->content,
                      "Compare the bytes, not only where they come from");
    command->add_option("--base", options->base, "SPEC: what the device held before the log");
    command->callback([options, &run] { run = [options] { return diff(*options); }; });
}

}  // namespace resilience::nbdcrash
