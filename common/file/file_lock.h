// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "common/core/setup_error.h"

namespace resilience {

/// Takes the advisory locks by which QEMU's programs keep out of each other's
/// way, on the open file `fd`; they end when it is closed.  A writer tolerates
/// readers that expect nothing, nobody tolerates other writers.
///
/// Throws SetupError if another process (or another open file of this one) has
/// locks that do not go with ours.  Where there are no locks (some network
/// file systems), it goes on without.
void lock_file(const std::string& path, int fd, bool writable);

/// Whether somebody else has said by such locks that it writes to the file that
/// `fd` has open.  Locks nothing; false where there are no locks.
bool has_writer(int fd);

}  // namespace resilience
