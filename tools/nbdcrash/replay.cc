// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/commands.h"

#include <exception>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "tools/common/progress_line.h"
#include "tools/common/render.h"
#include "tools/nbdcrash/content.h"
#include "tools/nbdcrash/output.h"
#include "tools/nbdcrash/target.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

struct ReplayOptions : LogOptions {
    std::string target;
    std::string to;
    std::string from;
    std::string base;
    std::uint64_t size = 0;
    bool keep_discards = false;
};

/// What has to be written: everything, or with --from what differs.
std::vector<ByteRange> to_do(const OpenedLog& log, const ReplayOptions& options,
                             const Timeline& timeline, const ContentMap& map, std::uint64_t size)
{
    if (options.from.empty()) {
        return {{0, size}};
    }
    const State from = resolve_state(*log.index, options.from);
    return changed_ranges(timeline.at(from), map, size, !options.base.empty());
}

/// Every wait has its deadline in the device; the log is only read.
Exit replay(const ReplayOptions& options)
{
    const OpenedLog log = open_whole_log(options);
    const State state = resolve_state(*log.index, options.to);
    const Timeline timeline(log.file, log.index,
                            options.keep_discards ? Discard::keep : Discard::zero);
    const ContentMap map = timeline.at(state);
    check_bodies(log, map);
    const OpenedDevice base = open_base(options.base);
    const DeviceSize size = device_size(log, options.size, base.device().get());
    const std::vector<ByteRange> ranges = to_do(log, options, timeline, map, size.bytes);

    const Target target = open_target(options.target, size, !options.from.empty(), options.log,
                                      options.base);
    Device& device = *target.opened.device();
    const auto source = state_device(log, base.device(), map, size.bytes);
    std::uint64_t total = 0;
    for (const ByteRange& range : ranges) {
        total += range.length;
    }
    Copied copied;
    try {
        tools::ProgressLine progress("replaying", total);
        for (const ByteRange& range : ranges) {
            const Copied now = copy(*source, device, range, target.is_zero,
                                    [&](std::uint64_t bytes) { progress.add(bytes); });
            copied.data += now.data;
            copied.zeroes += now.zeroes;
        }
        Request flush;
        flush.op = Op::flush;
        require(device, flush);
    } catch (const std::exception& error) {
        give_up(target, options.target, error.what());
    }
    print({{"log", log.file->path()},
           {"target", options.target},
           {"state", to_string(*log.index, state)},
           {"entries", state.entries},
           {"from", options.from.empty() ? Json(nullptr) : Json(options.from)},
           {"created", target.created},
           {"device-bytes", size.bytes},
           {"size-known-from", size.source},
           {"written-bytes", copied.data},
           {"zeroed-bytes", copied.zeroes}},
          options.json);
    return Exit::ok;
}

}  // namespace

void add_replay(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<ReplayOptions>();
    CLI::App* command = app.add_subcommand("replay", "Make a device what it was at a point");
    add_log_options(*command, *options);
    command->add_option("TARGET", options->target,
                        "A file, which is made if it is not there, a block device, an NBD URI, "
                        "or [ COMMAND ]")
        ->required();
    CLI::Option* to = command->add_option("--to", options->to, "The point or state; default: end");
    command->add_option("--state", options->to, "The same as --to")->excludes(to);
    command->add_option("--from", options->from,
                        "The target holds this point or state already: write what differs");
    command->add_option("--base", options->base, "SPEC: what the device held before the log");
    command->add_flag("--keep-discards", options->keep_discards,
                      "Discarded ranges keep their content, instead of becoming zeroes");
    add_size_option(*command, "--size", options->size, "How large the device is, in bytes");
    command->callback([options, &run] {
        if (options->to.empty()) {
            options->to = "end";
        }
        run = [options] { return replay(*options); };
    });
}

}  // namespace resilience::nbdcrash
