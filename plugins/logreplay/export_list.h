// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "common/nbdkit/module.h"
#include "common/replay/log_index.h"

namespace resilience::logreplay {

/// How many there are at most in a list: nbdkit and libnbd end at 10000, and
/// nbdinfo --list connects to each of them.
constexpr std::size_t most_listed_marks = 8000;
constexpr std::size_t most_listed_flushes = 1000;

/// The exports that a client is told of: "" (which is the state `point`),
/// "end", the marks, and the flushes, each with the number of its entry and,
/// where the log has it, the time.
std::vector<Export> list_exports(const writelog::LogFile& log, const writelog::LogIndex& index,
                                 const std::string& point);

}  // namespace resilience::logreplay
