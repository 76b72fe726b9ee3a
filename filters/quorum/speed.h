// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Which children are slow (common/core/slowness.h has the rule).
//
// Only what clients ask of several children alike is measured, reads apart from
// writes; a copy of the resync asks its target something else than its sources.
// Where a read asks one child only (fifo), the others are given the same one now
// and then, and nobody waits for them: else nobody would know that they are
// faster, or that a slow one has become fast again.

#include "common/device/request.h"
#include "filters/quorum/child.h"
#include "filters/quorum/observer.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// Looks at all children, and tells of those that have become slow or are so no
/// more.  By one thread.
void judge_speed(const Children& children, Observer& observer);

/// The same children; those that are slow to read are last.
Children fast_first(Children children);

/// `answered` has carried out `request`, a read that any of `voters` could have: now
/// and then, where one of them may be slow, the others are sent it too.
void measure_others(State& state, const Children& voters, const ChildPtr& answered,
                    const Request& request);

}  // namespace resilience::quorum
