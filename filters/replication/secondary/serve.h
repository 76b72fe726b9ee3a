// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Who reads and writes the secondary: the primary (write.cc), its own machine
// (view.cc).

#include <cstdint>
#include <span>

#include "filters/replication/secondary/core.h"

namespace resilience::replication {

/// Carries out a request on the export `primary` that came on `connection`.
/// Returns 0 or a positive errno: EIO unless replication runs, ESHUTDOWN on a
/// connection that is older than the session, and that of the save when the old
/// content could not be kept (then the disk has not been changed).
int serve_primary(Core& core, Request& request, std::uint32_t connection);

/// Carries out a request of the secondary's own machine.  0 or a positive errno.
int serve_view(Core& core, Request& request);

/// What the secondary sees of [offset, offset + into.size()).  Under a lock.
int read_view(Core& core, std::uint64_t offset, std::span<std::byte> into);

/// Writes what the secondary sees of `range` into the disk, as far as that is
/// not there already.  Under an exclusive lock of whole clusters.
int merge_range(Core& core, ByteRange range);

}  // namespace resilience::replication
