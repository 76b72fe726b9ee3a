// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <string>

#include "common/control/json.h"

namespace resilience {

/// One thing that happened, at `time` (not when it was let through).
struct Event {
    std::string name;  ///< "QUORUM_REPORT_BAD"
    Json data;         ///< an object; may be empty
    std::chrono::system_clock::time_point time;

    /// {"event", "data", "timestamp": {"seconds", "microseconds"}}; without
    /// "data" when there are none, as QMP does.
    Json to_json() const;
};

}  // namespace resilience
