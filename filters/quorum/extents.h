// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <span>

#include "common/device/request.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// Block status.  A stretch is zero only where all children say so, and as long
/// as the shortest of their answers; otherwise it is data, as long as the
/// longest answer of those that do not say zero (QEMU's rule).  When a child
/// fails, or is not current, everything is data: never a hole that is none.
int block_status(State& state, Request& request);

/// The same for whoever holds a guard: what is told of `range`.
ExtentList agreed_extents(State& state, ByteRange range);

/// The rule on its own, for `length` bytes.  What a list does not cover is data.
ExtentList merge_extents(std::span<const ExtentList> lists, std::uint64_t length);

/// Prefetch on all children that can.
int cache(State& state, const Request& request);

}  // namespace resilience::quorum
