// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "common/device/request.h"
#include "common/file/file_open.h"

namespace resilience {

/// Where `file` has data and where holes, into request.extents: from
/// request.offset, contiguous, clipped to the request, and covering all of it
/// unless flags.one_extent asks only for the first.  Where the file system
/// does not tell, it is data.  Returns 0 or a positive errno.
int find_extents(const OpenedFile& file, Request& request);

}  // namespace resilience
