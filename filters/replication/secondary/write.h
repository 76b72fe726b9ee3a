// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "filters/replication/secondary/core.h"

namespace resilience::replication {

/// Carries out a request on the export `primary` that came on `connection`.
/// Returns 0 or a positive errno: EIO unless replication runs, ESHUTDOWN on a
/// connection that is older than the session, and that of the save when the old
/// content could not be kept (then the disk has not been changed).
int serve_primary(Core& core, Request& request, std::uint32_t connection);

}  // namespace resilience::replication
