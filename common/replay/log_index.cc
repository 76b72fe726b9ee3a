// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/log_index.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace resilience::writelog {
namespace {

// No device is larger: sizes are signed 64-bit numbers everywhere.
constexpr std::uint64_t largest_device = std::numeric_limits<std::int64_t>::max();

/// Why `entry` at `position` cannot be one; empty if it can.
std::string problem(const LogFile& log, const Entry& entry, std::uint64_t position)
{
    const std::uint64_t ss = log.sector_size();
    if (entry.flags == 0 && entry.sectors == 0 && entry.sector == 0) {
        return "its header is all zeroes: nothing was ever written there";
    }
    if (entry.damaged) {
        return "its header does not match its checksum";
    }
    if (entry.flags > std::numeric_limits<std::uint32_t>::max()) {
        return fmt::format("Invalid flags 0x{:x}", entry.flags);
    }
    if (entry.sectors > largest_device / ss || entry.sector > largest_device / ss ||
        (entry.sector + entry.sectors) > largest_device / ss) {
        return fmt::format("sector {} and length {} are beyond what a device can have",
                           entry.sector, entry.sectors);
    }
    const std::uint64_t room = log.size() - position - ss;
    if (!entry.is_discard() && entry.sectors * ss > room) {
        return fmt::format("its body of {} bytes ends at byte {}, the file at byte {}",
                           entry.sectors * ss, position + ss + entry.sectors * ss, log.size());
    }
    return {};
}

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

/// Whether what stands behind the counted entries is surely the next entry of
/// this log, and not one of an older log in the same file.
bool continues(const LogFile& log, const Record& record)
{
    return log.super().extension.has_value() && record.extended != 0 &&
           body_is_intact(log, record);
}

}  // namespace

bool body_is_intact(const LogFile& log, const Record& record)
{
    if (record.extended == 0 || record.sectors == 0 || record.is_discard() || record.is_zero()) {
        return true;
    }
    const auto extension = log.entry_at(record.position).extension;
    if (!extension) {
        return false;  // changed since the record was made
    }
    BodyHash hash;
    std::vector<std::byte> piece(1 << 20);
    std::uint64_t left = record.sectors * log.sector_size();
    std::uint64_t position = record.position + log.sector_size();
    while (left > 0) {
        const auto now = std::span(piece).first(std::min<std::uint64_t>(left, piece.size()));
        log.read(position, now);
        hash.add(now);
        position += now.size();
        left -= now.size();
    }
    return hash.value() == extension->body_hash;
}

LogIndex LogIndex::scan(const LogFile& log, Extent extent)
{
    const std::uint64_t ss = log.sector_size();
    const std::uint64_t counted = log.super().entries;
    std::vector<Record> records;
    std::vector<Mark> marks;
    std::optional<Damage> damage;
    std::uint64_t position = ss;
    while (records.size() < counted || extent == Extent::whole) {
        const std::uint64_t number = records.size();
        std::string text;
        Entry entry;
        if (position > log.size() || log.size() - position < ss) {
            text = fmt::format("the file ends at byte {}, {} entries are counted", log.size(),
                               counted);
        } else {
            entry = log.entry_at(position);
            text = problem(log, entry, position);
        }
        if (!text.empty()) {
            if (number < counted) {
                damage = Damage{number, position,
                                fmt::format("entry {} at byte {}: {}", number, position, text)};
            }
            break;
        }
        const Record record = make_record(log, entry, position);
        if (number >= counted && !continues(log, record)) {
            break;
        }
        if (entry.is_mark()) {
            marks.push_back({number, entry.mark});
        }
        records.push_back(record);
        position += entry.log_sectors() * ss;
    }
    return {std::move(records), std::move(marks), std::min(position, log.size()),
            std::move(damage)};
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
