// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The walk through a log, from one header to the next: the one way in which all
// of us decide what is an entry of it.  Those who read a log (LogIndex), who go
// on behind it (the recorder with append) and who repair it must never disagree.
//
// First come the entries that the superblock counts.  After a crash of the
// recorder the count is behind: valid entries follow.  But bytes there may as
// well be the rest of an older, longer log in the same place (QEMU does not cut
// a file that it records into anew, and a block device cannot be cut), and then
// they can look exactly like entries.  So there are two classes of them:
//
//   sure       the entry carries our extension with this log's id, header and
//              body match their checksums.  Nothing else looks like that.
//   plausible  a plain entry (of a kernel or of QEMU) in which everything is
//              as those write it.  It may be of this recording or of an older
//              one: nothing in the format tells.
//
// The walk ends at the first place that is neither.  All-zero headers never
// are.  In a log of ours, a plain entry is none of its own, but for marks
// whose text leaves no room for the extension; those count with the sure
// entry that follows.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/replay/log_file.h"

namespace resilience::writelog {

/// A place between two entries.
struct LogPlace {
    std::uint64_t entries = 0;   ///< so many are before it
    std::uint64_t position = 0;  ///< of the next header: bytes from the start of the log
    /// Which id the extensions so far carry: the superblock's, else that of the last
    /// entry which has one.
    std::optional<std::uint32_t> log_id = {};
};

/// Why a walk ended before the counted number of entries.
struct Damage {
    std::uint64_t entry = 0;     ///< the first one that is not usable
    std::uint64_t position = 0;  ///< of its header, bytes
    std::string text;            ///< "entry 12 at byte 53248: its body ends at ..., the file at ..."
};

/// Goes through the entries that the superblock counts.
class CountedWalk {
public:
    /// `log` must outlive it.
    explicit CountedWalk(const LogSource& log);

    /// Goes to the next entry; false behind the last one, and where the log is
    /// damaged.  Throws LogError if it cannot be read.
    bool next();
    const Entry& entry() const { return entry_; }
    std::uint64_t position() const { return position_; }  ///< of its header, bytes
    /// The place behind it.
    const LogPlace& end() const { return end_; }
    const std::optional<Damage>& damage() const { return damage_; }

private:
    const LogSource& log_;
    Entry entry_;
    std::uint64_t position_ = 0;
    LogPlace end_;
    std::optional<Damage> damage_;
};

/// What stands behind the entries that the superblock counts.
struct Tail {
    std::uint64_t position = 0;     ///< where it begins: bytes from the start of the log
    std::uint64_t bytes = 0;        ///< from there to the end of the log
    std::uint64_t sure = 0;         ///< so many entries
    std::uint64_t plausible = 0;    ///< and behind them so many
    std::uint64_t end_of_sure = 0;  ///< the position behind the last sure entry
    std::uint64_t end = 0;          ///< behind the last plausible one: where the walk ended
    std::string reason;             ///< why it ended there
    std::optional<std::uint32_t> log_id;  ///< which our extensions carry
};

/// Walks on from `from`, which is behind the counted entries, and calls `on_sure`
/// for each entry that proves to be of this log by itself.  Never throws for what
/// stands there; LogError if it cannot be read.
Tail scan_tail(const LogSource& log, const LogPlace& from,
               const std::function<void(const Entry& entry)>& on_sure = {});

/// Whether the body of `entry`, whose header is at byte `position`, is what was
/// logged, as far as its checksum can tell: true without one.  Reads the body.
/// Throws LogError if it cannot.
bool body_is_intact(const LogSource& log, const Entry& entry, std::uint64_t position);

/// Whether there is nothing but zeroes from byte `position` to the end.
bool is_zero_from(const LogSource& log, std::uint64_t position);

}  // namespace resilience::writelog
