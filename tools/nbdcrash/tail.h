// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What stands behind the entries that the superblock counts.
//
// After a crash of the recorder the count is behind: valid entries follow.
// But bytes there may as well be the rest of an older, longer log in the same
// file (QEMU does not cut a file that it records into anew), and then they can
// look exactly like entries.  So there are two classes:
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
#include <optional>
#include <string>

#include "common/replay/log_file.h"

namespace resilience::nbdcrash {

struct Tail {
    std::uint64_t position = 0;     ///< where it begins: bytes from the start of the log
    std::uint64_t bytes = 0;        ///< from there to the end of the file
    bool all_zero = true;           ///< nothing but zeroes (preallocated, or nothing at all)
    std::uint64_t sure = 0;         ///< so many entries
    std::uint64_t plausible = 0;    ///< and behind them so many
    std::uint64_t end_of_sure = 0;  ///< the position behind the last sure entry
    std::uint64_t end = 0;          ///< behind the last plausible one: where the walk ended
    std::string reason;             ///< why it ended there
    bool junk_behind = false;       ///< there are bytes other than zero behind the end
    std::optional<std::uint32_t> log_id;  ///< which our extensions carry
};

/// Walks from byte `position`, which is behind the entry with number
/// `entry` - 1.  Never throws for what stands there; LogError if it cannot be
/// read.
Tail scan_tail(const writelog::LogFile& log, std::uint64_t entry, std::uint64_t position);

}  // namespace resilience::nbdcrash
