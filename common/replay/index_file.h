// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The index beside the log, LOG.idx: so that only the first program that looks
// at a log walks through it.
//
// It is a cache and nothing else.  It names the log that it belongs to (size,
// time of change, the superblock's count) and carries a checksum; if any of
// that differs, or the file cannot be read, it is made anew.  Where it cannot
// be written (a read-only folder) everything works without it.

#include <memory>

#include "common/replay/log_index.h"

namespace resilience::writelog {

/// The path of a log's index file.
std::string index_path(const std::string& log_path);

/// The index of `log`: from the index file if that is valid, else by a walk,
/// after which the file is written (atomically).  The log's damage is in it.
std::shared_ptr<const LogIndex> load_index(const LogFile& log);

}  // namespace resilience::writelog
