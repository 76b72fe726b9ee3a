// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "common/control/json_fwd.h"
#include "tools/common/render.h"

namespace resilience::nbdctl {

using tools::format_bytes;
using tools::printable;
using tools::render;

/// One event on one line, in words.
std::string render_event(const Json& event);

/// What query-commands returns, as a list with each command's arguments.
std::string render_commands(const Json& commands);

}  // namespace resilience::nbdctl
