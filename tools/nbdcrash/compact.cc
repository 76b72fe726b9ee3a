// SPDX-License-Identifier: BSD-3-Clause

// compact: a smaller log with the same states.
//
// A write that changes nothing can be left out if no state of the device, not
// even one after a crash, depends on it:
//   * A flush, or anything with FUA, stays: it is a point, and makes durable.
//   * A plain write, zero or discard whose range already holds the same bytes
//     goes.  What put them there is volatile at least as long ago, and every
//     choice of what reached the medium with it is there without it, too.
//   * What a discard left behind is not known (zeroes or the old bytes), so
//     "the same bytes" must hold for both.
//   * Where nothing was written, it holds only if a base is known.

#include "tools/nbdcrash/commands.h"

#include <algorithm>
#include <exception>
#include <filesystem>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "common/replay/state_device.h"
#include "tools/common/progress_line.h"
#include "tools/nbdcrash/content.h"
#include "tools/nbdcrash/log_writer.h"
#include "tools/nbdcrash/output.h"
#include "tools/nbdcrash/target.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

struct CompactOptions : LogOptions {
    std::string out;
    std::string point;       ///< what is before it goes into the base image
    std::string base_image;  ///< the new one
    std::string base;        ///< what the device held before the log
    bool keep_all = false;
    bool force = false;
};

constexpr std::uint64_t piece_size = 1 << 20;

class Compacter {
public:
    Compacter(const OpenedLog& log, Device* base, bool base_known)
        : log_(log), base_(base), base_known_(base_known), first_(piece_size),
          second_(piece_size)
    {
    }

    /// Goes on to the state behind `number`, and says whether that changed
    /// anything.
    bool changes(std::uint64_t number)
    {
        const Record& record = (*log_.index)[number];
        const bool point = record.is_flush() || record.is_fua() || record.is_mark();
        const ContentMap zero = zero_;
        const ContentMap keep = keep_;
        apply_entry(*log_.index, *log_.file, number, Discard::zero, zero_);
        apply_entry(*log_.index, *log_.file, number, Discard::keep, keep_);
        if (point || !record.changes()) {
            return true;
        }
        // A discard may leave zeroes, so it changes nothing only on zeroes.
        const ContentMap& now = zero_;
        return !same(zero, now, record) || !same(keep, now, record);
    }

private:
    bool same(const ContentMap& before, const ContentMap& now, const Record& record)
    {
        const std::uint64_t end = record.offset + record.length;
        for (std::uint64_t at = record.offset; at < end;) {
            const std::uint64_t length = std::min(piece_size, end - at);
            const auto old_pieces = before.pieces(at, length);
            const auto new_pieces = now.pieces(at, length);
            if (!base_known_ && std::ranges::find(old_pieces, Source::base, &Piece::source) !=
                                    old_pieces.end()) {
                return false;
            }
            const auto old_bytes = std::span(first_).first(length);
            const auto new_bytes = std::span(second_).first(length);
            read(old_pieces, old_bytes);
            read(new_pieces, new_bytes);
            if (!std::ranges::equal(old_bytes, new_bytes)) {
                return false;
            }
            at += length;
        }
        return true;
    }

    void read(const std::vector<Piece>& pieces, std::span<std::byte> into)
    {
        if (const int error = read_pieces(*log_.file, base_, pieces, into); error != 0) {
            throw ToolError(fmt::format("{}: bytes {} to {} of the device cannot be read: {}",
                                        log_.file->path(), pieces.front().offset,
                                        pieces.back().end(), std::strerror(error)));
        }
    }

    const OpenedLog& log_;
    Device* const base_;
    const bool base_known_;
    ContentMap zero_;  ///< if discards make zeroes
    ContentMap keep_;  ///< if they do nothing
    std::vector<std::byte> first_;
    std::vector<std::byte> second_;
};

/// Writes the state at `point` to the new base image.
void make_base(const CompactOptions& options, const OpenedLog& log, const OpenedDevice& base,
               const State& point)
{
    const ContentMap map = Timeline(log.file, log.index).at(point);
    check_bodies(log, map);
    const DeviceSize size = device_size(log, 0, base.device().get());
    const Target target =
        open_target(options.base_image, size, false, options.log, options.base);
    const auto source = state_device(log, base.device(), map, size.bytes);
    try {
        tools::ProgressLine progress("writing the base", size.bytes);
        copy(*source, *target.opened.device(), {0, size.bytes}, target.is_zero,
             [&](std::uint64_t bytes) { progress.add(bytes); });
        Request flush;
        flush.op = Op::flush;
        require(*target.opened.device(), flush);
    } catch (const std::exception& error) {
        give_up(target, options.base_image, error.what());
    }
}

Exit compact(const CompactOptions& options)
{
    if (!options.force && std::filesystem::exists(options.base_image)) {
        throw ToolError(fmt::format("{}: exists; say --force to replace it", options.base_image));
    }
    const OpenedLog log = open_whole_log(options);
    const LogIndex& index = *log.index;
    const OpenedDevice base = open_base(options.base);
    const std::uint64_t begin = options.point.empty() ? 0 : resolve_point(index, options.point);
    LogWriter writer(options.out, *log.file, log.file->super(), options.force);
    if (!options.point.empty()) {
        make_base(options, log, base, {begin, {}, {}});
    }
    Compacter compacter(log, base.device().get(), base || !options.point.empty());
    tools::ProgressLine progress("compacting", index.end_position());
    std::uint64_t dropped = 0;
    for (std::uint64_t number = 0; number < index.size(); number++) {
        const Record& record = index[number];
        const bool changes = (options.keep_all && number >= begin) || compacter.changes(number);
        if (number >= begin && changes) {
            if (!body_is_intact(*log.file, record)) {
                throw ToolError(fmt::format("{}: entry {} at byte {}: its body does not match its "
                                            "checksum",
                                            log.file->path(), number, record.position));
            }
            writer.add(log.file->entry_at(record.position),
                       record.position + log.file->sector_size());
        } else if (number >= begin) {
            dropped++;
        }
        progress.add(log.file->sector_size() *
                     (1 + (record.is_discard() ? 0 : record.sectors)));
    }
    writer.finish();
    print({{"log", log.file->path()},
           {"out", options.out},
           {"base-image", options.base_image.empty() ? Json(nullptr) : Json(options.base_image)},
           {"entries", index.size()},
           {"folded-entries", begin},
           {"folded-volatile-entries", volatile_entries(index, begin).size()},
           {"dropped-entries", dropped},
           {"out-entries", writer.entries()},
           {"log-bytes", index.end_position()},
           {"out-bytes", writer.bytes()}},
          options.json);
    return Exit::ok;
}

}  // namespace

void add_compact(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<CompactOptions>();
    CLI::App* command = app.add_subcommand("compact", "A smaller log with the same states");
    add_log_options(*command, *options);
    command->add_option("OUT", options->out, "The new log")->required();
    CLI::Option* point =
        command->add_option("--base", options->point,
                            "POINT: what is before it goes into the base image");
    CLI::Option* image =
        command->add_option("--base-image", options->base_image, "The base image to make");
    point->needs(image);
    image->needs(point);
    command->add_option("--old-base", options->base,
                        "SPEC: what the device held before the log");
    command->add_flag("--keep-all", options->keep_all,
                      "Also keep writes that change nothing");
    command->add_flag("--force", options->force, "Replace OUT and the base image if they exist");
    command->callback([options, &run] { run = [options] { return compact(*options); }; });
}

}  // namespace resilience::nbdcrash
