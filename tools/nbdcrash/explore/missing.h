// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a state lacks, in words: which writes, where on the device, when they
// were made, and what stands there instead.

#include "common/control/json_fwd.h"
#include "tools/nbdcrash/explore/subject.h"

namespace resilience::nbdcrash {

/// An array, an object for each write that is missing or torn, ascending, at
/// most `most`: "entry", "missing" ("all" or "sectors"), "kind", "offset",
/// "length", "epoch", "time" (null if the log does not say), for torn ones
/// "missing-sectors" and "sectors", and "hexdump" (of what is missing) with
/// "instead" (of what is there), both from the first difference on.
Json missing_json(const Subject& subject, const writelog::State& state, std::size_t most);

/// What is torn in `state`: an array of {"entry", "sectors"}, those that are there.
Json torn_json(const writelog::State& state);

/// One of them, in lines for people.
std::string missing_text(const Json& write);

/// What a checker printed, indented, and how it ended, for a terminal.
std::string printed(const Ended& ended);

}  // namespace resilience::nbdcrash
