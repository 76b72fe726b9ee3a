// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/child/child_spec.h"
#include "common/replay/timeline.h"

namespace resilience::logreplay {

/// What the command line says.  Paths are absolute.
struct Options {
    std::string log;                    ///< the log's path
    std::optional<ChildSpec> base;      ///< what the device held before; none: zeroes
    std::optional<std::uint64_t> size;  ///< of the device, bytes
    writelog::Discard discard = writelog::Discard::zero;
    std::string point = "end";          ///< the state that the export "" is
    std::string overlay;                ///< folder of named overlays; empty: temporary ones
};

}  // namespace resilience::logreplay
