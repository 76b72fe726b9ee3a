// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How far an exploration is, on stderr if that is a terminal.

#include <chrono>

#include "tools/nbdcrash/explore/report.h"

namespace resilience::nbdcrash {

class StateProgress {
public:
    StateProgress(const writelog::LogIndex& index, const StateOptions& states);
    StateProgress(const StateProgress&) = delete;
    StateProgress& operator=(const StateProgress&) = delete;
    ~StateProgress();

    /// Cheap.
    void show(const Report& report);

private:
    const bool terminal_;
    std::uint64_t total_ = 0;
    std::chrono::steady_clock::time_point begin_;
    std::chrono::steady_clock::time_point next_;
    std::uint64_t listed_ = 0;
    bool drawn_ = false;
};

}  // namespace resilience::nbdcrash
