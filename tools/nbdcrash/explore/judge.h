// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One question after the other: is this state bad?  For bisect and minimize,
// which ask on after each answer.

#include <cstdint>
#include <unordered_map>

#include "tools/nbdcrash/explore/contents.h"
#include "tools/nbdcrash/explore/subject.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

/// Somebody has ended the program.
class Interrupted : public ToolError {
public:
    Interrupted() : ToolError("interrupted") {}
};

/// Made, used and destroyed by one thread.
class Judge {
public:
    /// Throws SetupError.  `states_from`: entries; all states hold them.
    Judge(const Subject& subject, const CheckOptions& options, const Stop& stop,
          std::uint64_t states_from);

    /// Equal content is checked once.  Throws ToolError, and Interrupted.
    const Verdict& check(const writelog::State& state);
    bool is_bad(const writelog::State& state) { return check(state).is_bad(); }

    /// How often the checker was run.
    std::uint64_t checks() const { return checks_; }

private:
    const Subject& subject_;
    const CheckOptions options_;
    Workbench bench_;
    Contents contents_;
    std::unordered_map<ContentValue, Verdict, ContentValueHash> known_;
    std::uint64_t checks_ = 0;
};

}  // namespace resilience::nbdcrash
