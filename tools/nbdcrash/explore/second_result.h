// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/control/json.h"
#include "tools/nbdcrash/explore/contents.h"
#include "tools/nbdcrash/explore/workbench.h"

namespace resilience::nbdcrash {

/// A bad state that a crash during a recovery can leave behind.
struct SecondFailure {
    std::string state;     ///< of the recovery's log
    Verdict verdict;
    ContentValue content;  ///< of the whole device
    Json dropped = Json::array();
    Json torn = Json::array();
    Json missing = Json::array();
    std::string command;   ///< serves it; empty if the log is not kept
};

/// What became of the states of one recovery.
struct SecondResult {
    std::uint64_t listed = 0;
    std::uint64_t checked = 0;
    std::uint64_t same_content = 0;
    std::uint64_t same_reads = 0;
    std::uint64_t by_checker = 0;        ///< of those checked: cannot tell
    std::vector<ContentValue> contents;  ///< of those checked, where known
    std::vector<SecondFailure> failed;
    std::string log;                     ///< where it is kept, if there are any
};

/// As it stands in the file of --resume.
Json journal_json(const SecondResult& result);
/// Throws Json::exception.
SecondResult second_result_of(const Json& json);

}  // namespace resilience::nbdcrash
