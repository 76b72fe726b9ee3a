// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "common/device/request.h"
#include "filters/quorum/fastest.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// Write, zero or trim: on all children, successful when `threshold` of them
/// have done it.  Returns 0 or the voted errno.
int modify(State& state, FastestReader& fastest, const Request& request);

/// Flush of all children; successful when everything that was acknowledged
/// before is durable on `threshold` of them.  Returns 0 or the voted errno.
int flush(State& state);
/// The same for our own ends: what fails is told to the client that flushes next.
int flush_unasked(State& state);
/// The same; returns whether every child has done it.
bool flush_everybody(State& state);

}  // namespace resilience::quorum
