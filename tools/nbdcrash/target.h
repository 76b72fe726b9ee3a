// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "tools/nbdcrash/content.h"

namespace resilience::nbdcrash {

/// Where a state is replayed to.
struct Target {
    OpenedDevice opened;
    bool created = false;  ///< the file was made now
    bool is_zero = false;  ///< it holds nothing but zeroes yet
    std::string path;      ///< of a file that was made or emptied
};

/// Opens a target for replay: a path (a file that does not exist is made), or
/// any other child SPEC.  With `keep` what it holds is left alone, and it must
/// exist; else a regular file is emptied first.
///
/// Throws ToolError if it is there and has another size than `size`, or is the
/// same file as `log` or `base` (SPEC or empty); before anything is changed.
Target open_target(const std::string& spec, const DeviceSize& size, bool keep,
                   const std::string& log, const std::string& base);

/// Filling the target has failed: removes it if it was made now.  Throws ToolError,
/// with `why`, and what has become of the target, which was called `spec`.
[[noreturn]] void give_up(const Target& target, const std::string& spec, const std::string& why);

}  // namespace resilience::nbdcrash
