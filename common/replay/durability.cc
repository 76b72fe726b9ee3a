// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/durability.h"

#include <algorithm>
#include <iterator>

namespace resilience::writelog {
namespace {

/// The earliest moment of a crash that can leave the first entries of a log
/// behind: they have all been issued.
struct EarliestCrash {
    std::uint64_t sequence = 0;    ///< nothing later had to be issued
    std::uint64_t known_from = 0;  ///< entry; of those before it nothing is known
};

EarliestCrash earliest_crash(const LogIndex& index, std::uint64_t entries)
{
    EarliestCrash crash;
    for (std::uint64_t entry = entries; entry-- > 0;) {
        const Record& record = index[entry];
        if (record.extended == 0) {
            crash.known_from = entry + 1;
            break;
        }
        // A point behind a flush says that it is done.
        const bool is_done = record.is_flush() && entry + 1 == entries;
        crash.sequence = std::max(crash.sequence, is_done ? record.completed : record.issued);
        // Entries stand in the order in which they were completed, but flushes in
        // that of their issue: all before this one was issued earlier still.
        if (!record.is_flush() && record.completed <= crash.sequence) {
            break;
        }
    }
    return crash;
}

}  // namespace

std::vector<std::uint64_t> volatile_entries(const LogIndex& index, std::uint64_t entries)
{
    entries = std::min(entries, index.size());
    // What a flush that is done has covered is durable: all before it.
    const auto& flushes = index.flushes();
    const auto after = std::ranges::lower_bound(flushes, entries);
    std::uint64_t entry = after == flushes.begin() ? 0 : *std::prev(after);
    // But for what was answered only when the flush was under way.
    const std::uint64_t flush = entry;
    while (entry > 0 && index[flush].extended != 0 && index[entry - 1].extended != 0 &&
           index[entry - 1].completed > index[flush].issued) {
        entry--;
    }
    std::vector<std::uint64_t> result;
    for (; entry < entries; entry++) {
        const Record& record = index[entry];
        if (record.changes() && !record.is_fua()) {
            result.push_back(entry);
        }
    }
    return result;
}

std::vector<std::uint64_t> in_flight_entries(const LogIndex& index, std::uint64_t entries)
{
    entries = std::min(entries, index.size());
    std::vector<std::uint64_t> result;
    if (entries == 0) {
        return result;
    }
    const EarliestCrash crash = earliest_crash(index, entries);
    const auto is_done = [&](std::uint64_t entry) {
        return entry < crash.known_from || index[entry].completed <= crash.sequence;
    };
    const auto& flushes = index.flushes();
    auto flush = std::ranges::lower_bound(flushes, entries);
    const std::uint64_t last_flush = flush == flushes.begin() ? 0 : *std::prev(flush);
    while (flush != flushes.begin() && !is_done(*std::prev(flush))) {
        --flush;
    }
    // Between the two, flushes are in flight.
    const std::uint64_t last_done = flush == flushes.begin() ? 0 : *std::prev(flush);
    for (std::uint64_t entry = last_done; entry < entries; entry++) {
        const Record& record = index[entry];
        const bool may_lack = record.is_fua() ? entry + 1 == entries || !is_done(entry)
                                              : entry < last_flush;
        if (record.changes() && may_lack) {
            result.push_back(entry);
        }
    }
    return result;
}

}  // namespace resilience::writelog
