// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/commands.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

struct Amount {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
};

struct Sums {
    std::map<std::string, Amount> kinds;
    std::map<std::uint64_t, std::uint64_t> sizes;  ///< by the power of two that is not smaller
    Amount all;                                    ///< of what changes content
    Amount fua;
    std::uint64_t sequential = 0;  ///< entries that begin where the one before ended
};

Sums sum_up(const LogIndex& index)
{
    Sums sums;
    std::uint64_t expected = ~std::uint64_t{0};
    for (const Record& record : index.records()) {
        Amount& kind = sums.kinds[std::string(kind_of(record))];
        kind.entries++;
        kind.bytes += record.length;
        if (!record.changes()) {
            continue;
        }
        sums.all.entries++;
        sums.all.bytes += record.length;
        if (record.is_fua()) {
            sums.fua.entries++;
            sums.fua.bytes += record.length;
        }
        sums.sizes[record.length > std::uint64_t{1} << 62 ? ~std::uint64_t{0}
                                                          : std::bit_ceil(record.length)]++;
        sums.sequential += record.offset == expected ? 1 : 0;
        expected = record.offset + record.length;
    }
    return sums;
}

/// How many bytes of the device are touched at all.
std::uint64_t touched(const LogIndex& index)
{
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const Record& record : index.records()) {
        if (record.changes()) {
            ranges.emplace_back(record.offset, record.offset + record.length);
        }
    }
    std::ranges::sort(ranges);
    std::uint64_t bytes = 0;
    std::uint64_t reached = 0;
    for (const auto& [begin, end] : ranges) {
        if (end > reached) {
            bytes += end - std::max(begin, reached);
            reached = end;
        }
    }
    return bytes;
}

/// Of sorted numbers.
Json distribution(const std::vector<std::uint64_t>& numbers)
{
    const auto at = [&](std::size_t percent) {
        return numbers[(numbers.size() - 1) * percent / 100];
    };
    return {{"median", at(50)}, {"p90", at(90)}, {"p99", at(99)}, {"largest", numbers.back()}};
}

Json epochs_json(const LogIndex& index)
{
    std::vector<std::uint64_t> writes;
    for (std::uint64_t epoch = 0; epoch < index.epochs(); epoch++) {
        const auto begin = index.records().begin();
        writes.push_back(static_cast<std::uint64_t>(std::count_if(
            begin + static_cast<std::ptrdiff_t>(index.epoch_begin(epoch)),
            begin + static_cast<std::ptrdiff_t>(index.epoch_end(epoch)),
            [](const Record& record) { return record.changes(); })));
    }
    std::ranges::sort(writes);
    Json json = {{"number", writes.size()}, {"writes", distribution(writes)}};
    const auto upto = [&](std::uint64_t most) {
        return std::ranges::upper_bound(writes, most) - writes.begin();
    };
    json["of-at-most-4-writes"] = upto(4);
    json["of-at-most-8-writes"] = upto(8);
    return json;
}

/// From the first request to the last, by the clock of the recorder.
Json time_json(const OpenedLog& log)
{
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    for (const Record& record : log.index->records()) {
        if (record.extended == 0) {
            continue;
        }
        if (const auto extension = log.file->entry_at(record.position).extension) {
            first = first == 0 ? extension->issued_ns : std::min(first, extension->issued_ns);
            last = std::max(last, extension->completed_ns);
        }
    }
    if (first == 0 || last < first) {
        return nullptr;
    }
    return {{"first", time_text(first)},
            {"last", time_text(last)},
            {"span-seconds", static_cast<double>(last - first) / 1e9}};
}

Json kinds_json(const Sums& sums)
{
    Json rows = Json::array();
    for (const auto& [kind, amount] : sums.kinds) {
        rows.push_back({{"kind", kind}, {"entries", amount.entries}, {"bytes", amount.bytes}});
    }
    return rows;
}

Json sizes_json(const Sums& sums)
{
    Json rows = Json::array();
    for (const auto& [size, entries] : sums.sizes) {
        rows.push_back({{"up-to-bytes", size}, {"entries", entries}});
    }
    return rows;
}

Json unflushed_json(const LogIndex& index)
{
    const std::vector<std::uint64_t> entries = volatile_entries(index, index.size());
    const std::uint64_t bytes =
        std::accumulate(entries.begin(), entries.end(), std::uint64_t{0},
                        [&](std::uint64_t sum, std::uint64_t entry) {
                            return sum + index[entry].length;
                        });
    return {{"entries", entries.size()}, {"bytes", bytes}};
}

Exit stats(const LogOptions& options)
{
    const OpenedLog log = open_log(options);
    const LogIndex& index = *log.index;
    const Sums sums = sum_up(index);
    const std::uint64_t unique = touched(index);
    Json document = {{"log", log.file->path()},
                     {"entries", index.size()},
                     {"changes", sums.all.entries},
                     {"changed-bytes", sums.all.bytes},
                     {"touched-bytes", unique},
                     {"overwrite-factor", unique == 0 ? Json(nullptr)
                                                      : Json(static_cast<double>(sums.all.bytes) /
                                                             static_cast<double>(unique))},
                     {"sequential-entries", sums.sequential},
                     {"fua-entries", sums.fua.entries},
                     {"fua-bytes", sums.fua.bytes},
                     {"unflushed-at-end", unflushed_json(index)},
                     {"epochs", epochs_json(index)},
                     {"time", time_json(log)},
                     {"kinds", kinds_json(sums)},
                     {"sizes", sizes_json(sums)},
                     {"damage", damage_json(index)}};
    print(document, options.json);
    return index.damage() ? Exit::found : Exit::ok;
}

}  // namespace

void add_stats(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<LogOptions>();
    CLI::App* command = app.add_subcommand("stats", "Sizes, epochs, and how much is overwritten");
    add_log_options(*command, *options);
    command->callback([options, &run] { run = [options] { return stats(*options); }; });
}

}  // namespace resilience::nbdcrash
