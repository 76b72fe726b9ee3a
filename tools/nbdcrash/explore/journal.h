// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The file of --resume: what was found out, one JSON document on a line, so
// that a run that was ended can go on where it was.
//
// The first line says what was asked for; a file of another log, other states
// or another checker is refused.  A last line that is not whole (the run was
// killed while it wrote) is cut off.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/control/json_fwd.h"
#include "common/core/unique_fd.h"
#include "tools/nbdcrash/explore/second_result.h"
#include "tools/nbdcrash/explore/workbench.h"

namespace resilience::nbdcrash {

class Journal {
public:
    struct Line {
        Verdict verdict;
        std::optional<std::uint64_t> like;  ///< known from this state
        std::shared_ptr<SecondResult> second = nullptr;  ///< of its recovery, or null
    };

    /// Opens or makes `path`.  `question`: all that decides about the results.
    /// Throws ToolError.
    Journal(const std::string& path, const Json& question);

    std::optional<Line> find(std::uint64_t number) const;
    /// Throws ToolError if it cannot be written (the disk is full).
    void add(std::uint64_t number, const std::string& state, const Line& line);

private:
    void load(const std::string& text, const Json& question);
    void write(const Json& line);

    const std::string path_;
    UniqueFd fd_;
    std::map<std::uint64_t, Line> lines_;
};

/// A verdict as it stands in reports: "result", "exit", "signal" or "timeout",
/// "seconds", "by"; with `output`, "output".
Json verdict_json(const Verdict& verdict, bool output);

/// The other way round.  Throws Json::exception.
Verdict verdict_of(const Json& json);

/// The same of a bad one, with "output" and without "result".
Json failure_json(const Verdict& verdict);

}  // namespace resilience::nbdcrash
