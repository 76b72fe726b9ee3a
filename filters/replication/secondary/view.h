// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>

#include "filters/replication/secondary/core.h"

namespace resilience::replication {

/// Carries out a request of the secondary's own machine.  0 or a positive errno.
int serve_view(Core& core, Request& request);

/// What the secondary sees of [offset, offset + into.size()).  Under a lock.
int read_view(Core& core, std::uint64_t offset, std::span<std::byte> into);

/// Writes what the secondary sees of `range` into the disk, as far as that is
/// not there already.  Under an exclusive lock of whole clusters.
int merge_range(Core& core, ByteRange range);

}  // namespace resilience::replication
