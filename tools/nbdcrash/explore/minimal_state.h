// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "tools/nbdcrash/explore/judge.h"

namespace resilience::nbdcrash {

/// The state with the fewest writes missing that is still bad: of the missing
/// writes and tears of `state`, which is bad, as few as possible stay; and of a
/// tear that stays, as few missing sectors as possible.
writelog::State minimal_state(Judge& judge, const Subject& subject, writelog::State state);

}  // namespace resilience::nbdcrash
