// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/commands.h"


#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/nbdcrash/opened_log.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

Json extension_json(const Superblock& super)
{
    if (!super.extension) {
        return nullptr;
    }
    return {{"device-bytes", super.extension->device_size},
            {"started", time_text(super.extension->started_ns)},
            {"log-id", fmt::format("{:08x}", super.extension->log_id)},
            {"tool", super.extension->tool}};
}

Json counts_json(const LogIndex& index)
{
    std::uint64_t extended = 0;
    std::uint64_t discards = 0;
    std::uint64_t metadata = 0;
    for (const Record& record : index.records()) {
        extended += record.extended;
        discards += record.is_discard() ? 1 : 0;
        metadata += (record.flags & flag_metadata) != 0 ? 1 : 0;
    }
    return {{"flushes", index.flushes().size()}, {"fuas", index.fuas().size()},
            {"marks", index.marks().size()},     {"discards", discards},
            {"metadata", metadata},              {"extended", extended}};
}

Json tail_json(const LogFile& log, const Tail& tail)
{
    return {{"position", tail.position}, {"bytes", tail.bytes},
            {"all-zero", is_zero_from(log, tail.position)}, {"sure-entries", tail.sure},
            {"plausible-entries", tail.plausible}, {"ended", tail.reason}};
}

/// The entries whose bodies are not what was logged.
Json bad_bodies(const OpenedLog& log)
{
    Json bad = Json::array();
    for (std::uint64_t entry = 0; entry < log.index->size(); entry++) {
        const Record& record = (*log.index)[entry];
        if (!body_is_intact(*log.file, record)) {
            bad.push_back({{"entry", entry}, {"position", record.position}});
        }
    }
    return bad;
}

Exit info(const LogOptions& options, bool check_bodies)
{
    const OpenedLog log = open_log(options);
    const LogIndex& index = *log.index;
    const Superblock& super = log.file->super();
    Json document = {{"log", log.file->path()},
                     {"file-bytes", log.file->size()},
                     {"version", super.version},
                     {"sector-bytes", super.sector_size},
                     {"counted-entries", super.entries},
                     {"entries", index.size()},
                     {"end-position", index.end_position()},
                     {"reach-bytes", index.reach()},
                     {"epochs", index.epochs()}};
    document.update(counts_json(index));
    document["extension"] = extension_json(super);
    bool good = !index.damage();
    if (index.damage()) {
        document["tail"] = nullptr;  // where it would begin is not known
    } else {
        const Tail tail = scan_tail(*log.file, index.end(*log.file));
        document["tail"] = tail_json(*log.file, tail);
        good = tail.sure == 0;
    }
    if (check_bodies) {
        document["bad-bodies"] = bad_bodies(log);
        good = good && document["bad-bodies"].empty();
    }
    document["damage"] = damage_json(index);
    print(document, options.json);
    return good ? Exit::ok : Exit::found;
}

}  // namespace

void add_info(CLI::App& app, Run& run)
{
    struct Options : LogOptions {
        bool check_bodies = false;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("info", "What a log is, and whether it is whole");
    add_log_options(*command, *options);
    command->add_flag("--check-bodies", options->check_bodies,
                      "Compare every body with its checksum, where it has one");
    command->callback([options, &run] {
        run = [options] { return info(*options, options->check_bodies); };
    });
}

}  // namespace resilience::nbdcrash
