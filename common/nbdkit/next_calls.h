// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The rules of calling nbdkit's `next`, in one place.
//
// nbdkit's server checks its callers by assertions, and packaged builds keep
// them: a data call before the matching can_* question, a request outside the
// size, a flag that was not offered, each ends the whole server.  And it has
// faults of its own that callers have to step around (see carry_out).  So
// nothing else in this project calls through an nbdkit_next.

#include <cstdint>
#include <type_traits>

#include <nbdkit-filter.h>

#include "common/device/device.h"

namespace resilience {

/// What is known of `next` once it has been asked.  Plain bytes, because it is
/// also what a probe process sends back.
struct NextFacts {
    std::uint64_t size = 0;
    Capabilities capabilities;
    BlockLimits limits;
    int zero = NBDKIT_ZERO_NONE;  ///< how zero is done below: NBDKIT_ZERO_*
    int fua = NBDKIT_FUA_NONE;    ///< how FUA is done below: NBDKIT_FUA_*
};
static_assert(std::is_trivially_copyable_v<NextFacts>);

/// Asks a prepared context everything there is to ask.  That is not only for
/// the answers: nbdkit allows a data call only after its question, and caches
/// the answers without a lock, so they must all be in place before threads
/// share the context.  Returns false if one of the questions failed (nbdkit
/// has logged why).
bool learn(nbdkit_next* next, NextFacts& facts) noexcept;

/// Carries `request` out on the calling thread.  Returns 0 or a positive errno
/// as the plugin gave it.  `facts` are those learnt from this very context.
int carry_out(nbdkit_next* next, const NextFacts& facts, Request& request);

}  // namespace resilience
