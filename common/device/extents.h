// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "common/device/device.h"

namespace resilience {

/// Adds `extent` at the end of `list`; one that is like its predecessor makes
/// that longer, one without length is left out.
void append_extent(ExtentList& list, const Extent& extent);

/// Adds what `device` says of [offset, offset + length) to `list`: all of it,
/// although a device may answer for less than it is asked, and data where it
/// cannot say.  Returns 0 or a positive errno.
int append_extents_of(Device& device, std::uint64_t offset, std::uint64_t length,
                      ExtentList& list);

}  // namespace resilience
