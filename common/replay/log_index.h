// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where each entry of a log is, and which of them are flushes, FUAs and marks.
//
// A log can only be walked from its start, one header after the other.  The
// index is the result of one such walk, so that a seek is a lookup; it is kept
// beside the log (index_file.h) for the next program.
//
// Numbers, the same in all our tools:
//   entry N    counted from 0, as replay-log prints them
//   flush:K    the K-th flush, counted from 1
//   fua:K      the K-th FUA entry, counted from 1
//   epoch K    what lies between flush:K and flush:K+1; epoch 0 before flush:1

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/replay/log_walk.h"

namespace resilience::writelog {

/// What the index knows of an entry.  Stored in index files as it is, hence
/// the layout.
struct Record {
    std::uint64_t position = 0;   ///< of the header: bytes from the start of the log
    std::uint64_t sector = 0;     ///< log sectors
    std::uint64_t sectors = 0;    ///< log sectors
    std::uint64_t offset = 0;     ///< bytes: the range that was changed on the device; within
    std::uint64_t length = 0;     ///<   the sectors, smaller if the request was unaligned
    std::uint64_t issued = 0;     ///< EntryExtension::issued, 0 without extension
    std::uint64_t completed = 0;  ///< EntryExtension::completed, 0 without
    std::uint32_t flags = 0;      ///< EntryFlag (unknown bits up to 2^31 included)
    Kind kind = Kind::unknown;    ///< unknown without extension
    std::uint8_t extended = 0;    ///< 1: has a valid extension
    std::uint8_t reserved[2] = {};

    bool is_mark() const { return (flags & flag_mark) != 0; }
    bool is_flush() const { return (flags & flag_flush) != 0; }
    bool is_fua() const { return (flags & flag_fua) != 0; }
    bool is_discard() const { return (flags & flag_discard) != 0; }
    /// Whether it changes the device's content.
    bool changes() const { return !is_mark() && length != 0; }
    /// Whether the content is zeroes that need not be read: a zero of ours.
    bool is_zero() const { return kind == Kind::zero || kind == Kind::zero_unmap; }
};
static_assert(sizeof(Record) == 64);

struct Mark {
    std::uint64_t entry = 0;  ///< its number
    std::string name;
};

/// Whether the body of `record` is what was logged, as far as its checksum can
/// tell: true without one.  Reads the body.  Throws LogError if it cannot.
bool body_is_intact(const LogFile& log, const Record& record);

/// Immutable once made; safe to use from any thread.
class LogIndex {
public:
    /// Walks the counted entries; the reach and the size of the device are those of the
    /// entries.  Damage ends the walk and is kept, not thrown: info and
    /// repair want to see what is there.
    static LogIndex scan(const LogFile& log);

    /// From parts, as they stand in an index file.
    LogIndex(std::vector<Record> records, std::vector<Mark> marks, std::uint64_t end_position,
             std::optional<Damage> damage);

    std::uint64_t size() const { return records_.size(); }
    const Record& operator[](std::uint64_t entry) const { return records_[entry]; }
    const std::vector<Record>& records() const { return records_; }

    /// Entry numbers, ascending.
    const std::vector<std::uint64_t>& flushes() const { return flushes_; }
    const std::vector<std::uint64_t>& fuas() const { return fuas_; }
    const std::vector<Mark>& marks() const { return marks_; }

    /// flushes().size() + 1: the last one is not ended by a flush.
    std::uint64_t epochs() const { return flushes_.size() + 1; }
    /// Of an entry.  A flush belongs to the epoch that it ends, but one that
    /// carries data (the kernel's preflush) to the one that it begins.
    std::uint64_t epoch_of(std::uint64_t entry) const;
    /// The first entry of an epoch, and the first of the next.
    std::uint64_t epoch_begin(std::uint64_t epoch) const;
    std::uint64_t epoch_end(std::uint64_t epoch) const;

    /// Where the next entry would be: bytes from the start of the log.
    std::uint64_t end_position() const { return end_position_; }
    /// The same, for scan_tail() of `log`, of which this is the index.
    LogPlace end(const LogFile& log) const;
    /// The end of the last byte that any entry touches: at least how large the
    /// device was.
    std::uint64_t reach() const { return reach_; }
    const std::optional<Damage>& damage() const { return damage_; }
    /// Throws LogError if there is damage: for those who need the whole log.
    void require_whole(const LogFile& log) const;

private:
    std::vector<Record> records_;
    std::vector<Mark> marks_;
    std::vector<std::uint64_t> flushes_;
    std::vector<std::uint64_t> fuas_;
    std::uint64_t end_position_ = 0;
    std::uint64_t reach_ = 0;
    std::optional<Damage> damage_;
};

}  // namespace resilience::writelog
