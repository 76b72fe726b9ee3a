// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/commands.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/parameter.h"
#include "common/replay/point.h"
#include "tools/common/render.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

constexpr std::array<const char*, 8> kinds = {"write", "zero", "trim", "flush",
                                              "fua",   "mark", "metadata", "data"};

struct ListOptions : LogOptions {
    std::string from;
    std::string to;
    std::string range;
    std::vector<std::string> kinds;
    bool lines = false;
};

struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/// "OFF+LEN"
std::optional<Range> parse_range(const std::string& text)
{
    if (text.empty()) {
        return std::nullopt;
    }
    const auto plus = text.find('+');
    if (plus == std::string::npos) {
        throw ToolError(fmt::format("--range={}: must be OFFSET+LENGTH in bytes, such as 1M+64k",
                                    text));
    }
    try {
        const std::uint64_t begin = parse_size("--range", text.substr(0, plus));
        const std::uint64_t length = parse_size("--range", text.substr(plus + 1));
        if (length == 0 || begin + length < begin) {
            throw ToolError(fmt::format("--range={}: the length must be at least 1", text));
        }
        return Range{begin, begin + length};
    } catch (const std::invalid_argument& error) {
        throw ToolError(error.what());
    }
}

bool is_of_kind(const Record& record, const std::string& kind)
{
    if (kind == "fua") {
        return record.is_fua();
    }
    if (kind == "flush") {
        return record.is_flush();
    }
    if (kind == "metadata") {
        return (record.flags & flag_metadata) != 0;
    }
    if (kind == "data") {
        return record.changes();
    }
    const std::string_view own = kind_of(record);
    return own == kind || (kind == "zero" && own == "zero-unmap");
}

/// What of the log is wanted.
struct Filter {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::optional<Range> range;
    std::vector<std::string> kinds;

    bool takes(const Record& record) const
    {
        if (range && (!record.changes() || record.offset >= range->end ||
                      record.offset + record.length <= range->begin)) {
            return false;
        }
        return kinds.empty() || std::ranges::any_of(kinds, [&](const std::string& kind) {
                   return is_of_kind(record, kind);
               });
    }
};

/// The mark of that entry, if it is one; they are asked for in their order.
class Marks {
public:
    Marks(const LogIndex& index, std::uint64_t begin)
        : next_(std::ranges::lower_bound(index.marks(), begin, {}, &Mark::entry)),
          end_(index.marks().end())
    {
    }
    const std::string* name(std::uint64_t entry)
    {
        while (next_ != end_ && next_->entry < entry) {
            ++next_;
        }
        return next_ != end_ && next_->entry == entry ? &next_->name : nullptr;
    }

private:
    std::vector<Mark>::const_iterator next_;
    std::vector<Mark>::const_iterator end_;
};

Json entry_json(const OpenedLog& log, std::uint64_t number, const std::string* mark)
{
    const Record& record = (*log.index)[number];
    const Entry entry = log.file->entry_at(record.position);
    Json json = {{"entry", number},
                 {"position", record.position},
                 {"kind", kind_of(record)},
                 {"sector", entry.sector},
                 {"sectors", entry.sectors},
                 {"flags", entry.flags},
                 {"flags-text", flags_text(entry.flags)},
                 {"data-length", entry.data_length},
                 {"epoch", log.index->epoch_of(number)}};
    if (record.changes()) {
        json["offset"] = record.offset;
        json["length"] = record.length;
    }
    if (mark != nullptr) {
        json["mark"] = *mark;
    }
    if (entry.dirty_padding) {
        json["dirty-padding"] = true;
    }
    if (record.extended != 0 && entry.extension) {
        const EntryExtension& extension = *entry.extension;
        json["fua"] = extension.fua;
        json["first"] = extension.first;
        json["last"] = extension.last;
        json["issued"] = extension.issued;
        json["completed"] = extension.completed;
        json["issued-ns"] = extension.issued_ns;
        json["completed-ns"] = extension.completed_ns;
        json["connection"] = extension.connection;
        if (extension.body_hash != 0) {
            json["body-hash"] = fmt::format("{:016x}", extension.body_hash);
        }
    }
    return json;
}

std::string entry_text(const OpenedLog& log, std::uint64_t number, const std::string* mark)
{
    const Record& record = (*log.index)[number];
    std::string what;
    if (mark != nullptr) {
        what = "'" + tools::printable(*mark) + "'";
    } else if (record.length != 0) {
        what = fmt::format("{}+{} ({})", record.offset, record.length,
                           tools::format_bytes(record.length));
    }
    std::string line = fmt::format("{:>8}  {:>12}  {:<10}  {:<18}  {}", number, record.position,
                                   kind_of(record), flags_text(record.flags), what);
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
}

void list_json(const OpenedLog& log, const Filter& filter)
{
    ArrayPrinter array({{"log", log.file->path()},
                        {"sector-bytes", log.file->sector_size()},
                        {"counted-entries", log.file->super().entries}},
                       "entries");
    Marks marks(*log.index, filter.begin);
    for (std::uint64_t entry = filter.begin; entry < filter.end; entry++) {
        if (filter.takes((*log.index)[entry])) {
            array.add(entry_json(log, entry, marks.name(entry)));
        }
    }
    array.end({{"damage", damage_json(*log.index)}});
}

void list_text(const OpenedLog& log, const Filter& filter, bool lines)
{
    if (!lines) {
        print(fmt::format("{:>8}  {:>12}  {:<10}  {:<18}  {}\n", "entry", "position", "kind",
                          "flags", "offset+length, or mark"));
    }
    Marks marks(*log.index, filter.begin);
    for (std::uint64_t entry = filter.begin; entry < filter.end; entry++) {
        if (filter.takes((*log.index)[entry])) {
            const std::string* mark = marks.name(entry);
            print(lines ? to_line(entry_json(log, entry, mark)) + "\n"
                        : entry_text(log, entry, mark));
        }
    }
    if (log.index->damage()) {
        report("{}: {}", log.file->path(), log.index->damage()->text);
    }
}

Exit list(const ListOptions& options)
{
    const auto range = parse_range(options.range);
    const OpenedLog log = open_log(options);
    const LogIndex& index = *log.index;
    const Filter filter{options.from.empty() ? 0 : resolve_point(index, options.from),
                        options.to.empty() ? index.size() : resolve_point(index, options.to),
                        range, options.kinds};
    if (options.json) {
        list_json(log, filter);
    } else {
        list_text(log, filter, options.lines);
    }
    return index.damage() ? Exit::found : Exit::ok;
}

}  // namespace

void add_list(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<ListOptions>();
    CLI::App* command = app.add_subcommand("list", "The entries of a log");
    add_log_options(*command, *options);
    command->add_option("--from", options->from, "POINT: leave out the entries that are done then");
    command->add_option("--to", options->to, "POINT: leave out the entries behind it");
    command->add_option("--range", options->range, "OFFSET+LENGTH: only what touches these bytes");
    command->add_option("--kind", options->kinds, "Only entries of these kinds")
        ->delimiter(',')
        ->check(CLI::IsMember(std::vector<std::string>(kinds.begin(), kinds.end())));
    command->add_flag("--json-lines", options->lines, "Each entry as a JSON document of its own");
    command->callback([options, &run] { run = [options] { return list(*options); }; });
}

}  // namespace resilience::nbdcrash
