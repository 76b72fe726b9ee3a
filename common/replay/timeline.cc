// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/timeline.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace resilience::writelog {
namespace {

// Entries between two snapshots: a point is at most so many puts away from one
// (some milliseconds), and a log of a million entries has a few hundred.
constexpr std::uint64_t distance = 4096;

/// What `record` put at [begin, end), which lies inside its range.
Piece piece_of(const LogFile& log, const Record& record, Discard discard, std::uint64_t begin,
               std::uint64_t end)
{
    Piece piece{begin, end - begin, Source::zero, 0};
    if (record.is_discard()) {
        if (discard == Discard::keep) {
            piece.length = 0;
        }
    } else if (!record.is_zero()) {
        const std::uint64_t body = record.position + log.sector_size();
        piece.source = Source::log;
        piece.position = body + (begin - record.sector * log.sector_size());
    }
    return piece;
}

}  // namespace

void apply_entry(const LogIndex& index, const LogFile& log, std::uint64_t entry, Discard discard,
                 ContentMap& map)
{
    const Record& record = index[entry];
    if (record.changes()) {
        map.put(piece_of(log, record, discard, record.offset, record.offset + record.length));
    }
}

Timeline::Timeline(std::shared_ptr<const LogFile> log, std::shared_ptr<const LogIndex> index,
                   Discard discard)
    : log_(std::move(log)), index_(std::move(index)), discard_(discard)
{
    index_->require_whole(*log_);
    snapshots_[0] = {};
}

void Timeline::apply(ContentMap& map, std::uint64_t entry) const
{
    apply_entry(*index_, *log_, entry, discard_, map);
}

ContentMap Timeline::at(std::uint64_t entries) const
{
    entries = std::min(entries, index_->size());
    const std::lock_guard lock(mutex_);
    const auto nearest = std::prev(snapshots_.upper_bound(entries));
    ContentMap map = nearest->second;
    for (std::uint64_t entry = nearest->first; entry < entries; entry++) {
        apply(map, entry);
        if ((entry + 1) % distance == 0) {
            snapshots_.emplace(entry + 1, map);
        }
    }
    return map;
}

ContentMap Timeline::at(const State& state) const
{
    // Up to the first entry that is not whole, it is a point.
    std::uint64_t first = state.entries;
    if (!state.dropped.empty()) {
        first = std::min(first, state.dropped.front());
    }
    if (!state.torn.empty()) {
        first = std::min(first, state.torn.front().entry);
    }
    ContentMap map = at(first);
    auto dropped = state.dropped.begin();
    auto torn = state.torn.begin();
    for (std::uint64_t entry = first; entry < std::min(state.entries, index_->size()); entry++) {
        if (dropped != state.dropped.end() && *dropped == entry) {
            ++dropped;
        } else if (torn != state.torn.end() && torn->entry == entry) {
            apply_torn(map, *torn);
            ++torn;
        } else {
            apply(map, entry);
        }
    }
    return map;
}

void Timeline::apply_torn(ContentMap& map, const Tear& tear) const
{
    const Record& record = (*index_)[tear.entry];
    const std::uint64_t ss = log_->sector_size();
    const std::uint64_t end_of_change = record.offset + record.length;
    for (const std::uint64_t sector : tear.sectors) {
        const std::uint64_t start = (record.sector + sector) * ss;
        const std::uint64_t begin = std::max(start, record.offset);
        const std::uint64_t end = std::min(start + ss, end_of_change);
        if (begin < end) {
            map.put(piece_of(*log_, record, discard_, begin, end));
        }
    }
}

}  // namespace resilience::writelog
