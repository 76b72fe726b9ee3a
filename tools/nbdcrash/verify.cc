// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/commands.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "tools/common/progress_line.h"
#include "tools/nbdcrash/content.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

struct VerifyOptions : LogOptions {
    std::string device;
    std::string base;
    std::string state = "end";
};

/// Where the log says that the bytes at `offset` come from.
std::string origin(const OpenedLog& log, const ContentMap& map, std::uint64_t offset)
{
    const Piece piece = map.pieces(offset, 1).front();
    if (piece.source == Source::log) {
        const auto& records = log.index->records();
        const auto behind =
            std::ranges::upper_bound(records, piece.position, {}, &Record::position);
        return fmt::format("entry {}", behind - records.begin() - 1);
    }
    return piece.source == Source::zero ? "a zero or discard" : "never written";
}

Json differences_json(const OpenedLog& log, const ContentMap& map,
                      const std::vector<ByteRange>& differences)
{
    Json rows = Json::array();
    for (const ByteRange& range : differences) {
        rows.push_back({{"offset", range.offset},
                        {"length", range.length},
                        {"logged", origin(log, map, range.offset)}});
    }
    return rows;
}

Exit verify(const VerifyOptions& options)
{
    const OpenedLog log = open_whole_log(options);
    const State state = resolve_state(*log.index, options.state);
    const ContentMap map = Timeline(log.file, log.index).at(state);
    check_bodies(log, map);
    const OpenedDevice base = open_base(options.base);
    const OpenedDevice device(options.device, false);
    const std::uint64_t have = device.device()->size();
    const DeviceSize known = device_size(log, 0, base.device().get());
    // Where the size is not known, a larger device is not wrong: it must read
    // as the base, or zeroes, where the log has nothing.
    const bool wrong_size = known.exact ? have != known.bytes : have < known.bytes;

    tools::ProgressLine progress("comparing", have);
    const std::uint64_t both = wrong_size ? std::min(have, known.bytes) : have;
    const auto expected = state_device(log, base.device(), map, both);
    const std::vector<ByteRange> differences =
        compare(*expected, *device.device(), {0, both},
                [&](std::uint64_t bytes) { progress.add(bytes); });
    std::uint64_t bytes = 0;
    for (const ByteRange& range : differences) {
        bytes += range.length;
    }
    print({{"log", log.file->path()},
           {"state", to_string(*log.index, state)},
           {"device", options.device},
           {"device-bytes", have},
           {"expected-bytes", known.bytes},
           {"size-known-from", known.source},
           {"size-differs", wrong_size},
           {"compared-bytes", both},
           {"differing-bytes", bytes},
           {"differences", differences_json(log, map, differences)},
           {"equal", differences.empty() && !wrong_size}},
          options.json);
    return differences.empty() && !wrong_size ? Exit::ok : Exit::found;
}

}  // namespace

void add_verify(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<VerifyOptions>();
    CLI::App* command = app.add_subcommand("verify", "Whether a device holds what was logged");
    add_log_options(*command, *options);
    command->add_option("DEVICE", options->device, "SPEC: a path, an NBD URI, or [ COMMAND ]")
        ->required();
    command->add_option("--base", options->base, "SPEC: what the device held before the log");
    command->add_option("--state,--to", options->state, "A point or state; default: end");
    command->callback([options, &run] { run = [options] { return verify(*options); }; });
}

}  // namespace resilience::nbdcrash
