// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/control/json_fwd.h"

namespace resilience::nbdctl {

/// How far the resyncs (or streams) of one answer are, all together.
struct Progress {
    std::uint64_t total = 0;      ///< bytes
    std::uint64_t done = 0;
    std::uint64_t remaining = 0;
    std::string children;         ///< those that are not done, for people
    std::string failed;           ///< the first child that will not get further: how, for people
    bool finished = true;         ///< nothing remains, and what was copied is durable
};

/// Reads an answer of query-resync or query-stream: an array of {child, state,
/// total-bytes, done-bytes, remaining-bytes}.  Throws ToolError for anything else.
/// `what` is the word for it: "resync" or "stream".
Progress read_progress(const Json& answer, const std::string& what = "resync");

/// "children.1: 45.2 %, 3.6 GiB of 8 GiB, 120 MiB/s, 0:35 left"
std::string progress_text(const Progress& progress, std::optional<double> bytes_per_second);

/// "[#####.....] "
std::string progress_bar(const Progress& progress, unsigned columns);

}  // namespace resilience::nbdctl
