// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/log_index.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace resilience::writelog {
namespace {

Record make_record(const LogFile& log, const Entry& entry, std::uint64_t position)
{
    const std::uint64_t ss = log.sector_size();
    Record record;
    record.position = position;
    record.sector = entry.sector;
    record.sectors = entry.sectors;
    record.flags = static_cast<std::uint32_t>(entry.flags);
    if (!entry.is_mark()) {
        record.offset = entry.sector * ss;
        record.length = entry.sectors * ss;
    }
    const auto& extension = entry.extension;
    const auto& super = log.super().extension;
    if (!extension || (super && super->log_id != extension->log_id)) {
        return record;
    }
    // An extension never widens what the entry itself says.
    const std::uint64_t end = record.offset + record.length;
    if (record.length != 0 &&
        (extension->offset < record.offset || extension->offset > end ||
         extension->length > end - extension->offset)) {
        return record;
    }
    record.extended = 1;
    record.kind = extension->kind;
    record.issued = extension->issued;
    record.completed = extension->completed;
    if (record.length != 0) {
        record.offset = extension->offset;
        record.length = extension->length;
    }
    return record;
}

}  // namespace

bool body_is_intact(const LogFile& log, const Record& record)
{
    if (record.extended == 0 || record.sectors == 0 || record.is_discard() || record.is_zero()) {
        return true;  // without looking at the header
    }
    const Entry entry = log.entry_at(record.position);
    // Without one now, it has changed since the record was made.
    return entry.extension && body_is_intact(log, entry, record.position);
}

LogIndex LogIndex::scan(const LogFile& log)
{
    std::vector<Record> records;
    std::vector<Mark> marks;
    CountedWalk walk(log);
    while (walk.next()) {
        if (walk.entry().is_mark()) {
            marks.push_back({records.size(), walk.entry().mark});
        }
        records.push_back(make_record(log, walk.entry(), walk.position()));
    }
    return {std::move(records), std::move(marks), std::min(walk.end().position, log.size()),
            walk.damage()};
}

LogPlace LogIndex::end(const LogFile& log) const
{
    LogPlace place{size(), end_position_};
    if (const auto& extension = log.super().extension) {
        place.log_id = extension->log_id;
        return place;
    }
    const auto last = std::ranges::find(records_.rbegin(), records_.rend(), 1, &Record::extended);
    if (last != records_.rend()) {
        if (const auto extension = log.entry_at(last->position).extension) {
            place.log_id = extension->log_id;
        }
    }
    return place;
}

LogIndex::LogIndex(std::vector<Record> records, std::vector<Mark> marks,
                   std::uint64_t end_position, std::optional<Damage> damage)
    : records_(std::move(records)), marks_(std::move(marks)), end_position_(end_position),
      damage_(std::move(damage))
{
    for (std::uint64_t entry = 0; entry < records_.size(); entry++) {
        const Record& record = records_[entry];
        if (record.is_flush()) {
            flushes_.push_back(entry);
        }
        if (record.is_fua()) {
            fuas_.push_back(entry);
        }
        if (record.changes()) {
            reach_ = std::max(reach_, record.offset + record.length);
        }
    }
}

std::uint64_t LogIndex::epoch_of(std::uint64_t entry) const
{
    const auto before = std::ranges::lower_bound(flushes_, entry) - flushes_.begin();
    const Record& record = records_[entry];
    return static_cast<std::uint64_t>(before) + (record.is_flush() && record.changes() ? 1 : 0);
}

std::uint64_t LogIndex::epoch_begin(std::uint64_t epoch) const
{
    if (epoch == 0) {
        return 0;
    }
    const std::uint64_t flush = flushes_[epoch - 1];
    return records_[flush].changes() ? flush : flush + 1;
}

std::uint64_t LogIndex::epoch_end(std::uint64_t epoch) const
{
    return epoch + 1 < epochs() ? epoch_begin(epoch + 1) : size();
}

void LogIndex::require_whole(const LogFile& log) const
{
    if (damage_) {
        throw LogError(fmt::format("{}: {}", log.path(), damage_->text));
    }
}

}  // namespace resilience::writelog
