// SPDX-License-Identifier: BSD-3-Clause

// marks and epochs: the points of a log that one may want to stand at.

#include "tools/nbdcrash/commands.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

Exit end(const OpenedLog& log)
{
    if (log.index->damage()) {
        report("{}: {}", log.file->path(), log.index->damage()->text);
        return Exit::found;
    }
    return Exit::ok;
}

/// Rows of a table, as the document that --json prints or for people.
void print_rows(const OpenedLog& log, const char* name, Json rows, bool json)
{
    if (json) {
        print({{"log", log.file->path()},
               {name, std::move(rows)},
               {"damage", damage_json(*log.index)}},
              true);
    } else if (rows.empty()) {
        report("{}: there are no {}", log.file->path(), name);
    } else {
        print(rows, false);
    }
}

/// The longest column comes last, and once: a mark can have hundreds of letters,
/// and its point, which is to be copied, has the same.
void print_marks(const Json& rows)
{
    constexpr std::string_view line = "{:>8}  {:>7}  {:>8}  {:<30}  {}\n";
    print(fmt::format(line, "entry", "epoch", "volatile", "time", "point"));
    for (const Json& row : rows) {
        const Json time = row.value("time", Json());
        print(fmt::format(line, row["entry"].get<std::uint64_t>(),
                          row["epoch"].get<std::uint64_t>(),
                          row["volatile-entries"].get<std::uint64_t>(),
                          time.is_string() ? time.get<std::string>() : "-",
                          tools::printable(row["point"].get<std::string>())));
    }
}

Exit marks(const LogOptions& options)
{
    const OpenedLog log = open_log(options);
    const LogIndex& index = *log.index;
    const std::vector<std::string> points = points_of_marks(index);
    Json rows = Json::array();
    for (std::size_t i = 0; i < points.size(); i++) {
        const Mark& mark = index.marks()[i];
        Json row = {{"entry", mark.entry}, {"point", points[i]}, {"name", mark.name},
                    {"epoch", index.epoch_of(mark.entry)},
                    {"volatile-entries", volatile_entries(index, mark.entry).size()}};
        if (const Entry entry = log.file->entry_at(index[mark.entry].position); entry.extension) {
            row["time"] = time_text(entry.extension->completed_ns);
        }
        rows.push_back(std::move(row));
    }
    if (options.json || rows.empty()) {
        print_rows(log, "marks", std::move(rows), options.json);
    } else {
        print_marks(rows);
    }
    return end(log);
}

Json epoch_json(const LogIndex& index, std::uint64_t epoch)
{
    std::uint64_t writes = 0;
    std::uint64_t bytes = 0;
    std::uint64_t fuas = 0;
    for (std::uint64_t entry = index.epoch_begin(epoch); entry < index.epoch_end(epoch); entry++) {
        const Record& record = index[entry];
        if (record.changes()) {
            writes++;
            bytes += record.length;
            fuas += record.is_fua() ? 1 : 0;
        }
    }
    const bool ended = epoch < index.flushes().size();
    return {{"epoch", epoch},
            {"point", fmt::format("e{}", epoch)},
            {"first-entry", index.epoch_begin(epoch)},
            {"entries", index.epoch_end(epoch) - index.epoch_begin(epoch)},
            {"writes", writes},
            {"bytes", bytes},
            {"fuas", fuas},
            {"ended-by", ended ? Json(fmt::format("flush:{}", epoch + 1)) : Json(nullptr)}};
}

Exit epochs(const LogOptions& options)
{
    const OpenedLog log = open_log(options);
    Json rows = Json::array();
    for (std::uint64_t epoch = 0; epoch < log.index->epochs(); epoch++) {
        rows.push_back(epoch_json(*log.index, epoch));
    }
    print_rows(log, "epochs", std::move(rows), options.json);
    return end(log);
}

}  // namespace

void add_marks(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<LogOptions>();
    CLI::App* command = app.add_subcommand("marks", "The marks of a log, and how to name them");
    add_log_options(*command, *options);
    command->callback([options, &run] { run = [options] { return marks(*options); }; });
}

void add_epochs(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<LogOptions>();
    CLI::App* command = app.add_subcommand("epochs", "What lies between two flushes each");
    add_log_options(*command, *options);
    command->callback([options, &run] { run = [options] { return epochs(*options); }; });
}

}  // namespace resilience::nbdcrash
