// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "common/control/json_fwd.h"

namespace resilience::nbdctl {

/// What the words after a command mean, by what `command` (an element of
/// query-commands) declares.  KEY=VALUE gives the argument KEY; other words
/// give the required arguments that are left, in their order.  For a server
/// that declares no arguments (QEMU), values are taken for what they look
/// like.  Throws ToolError for usage.
Json words_to_arguments(const Json& command, const std::vector<std::string>& words);

}  // namespace resilience::nbdctl
