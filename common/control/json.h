// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/control/json_fwd.h"

namespace resilience {

/// Parses one JSON text; nullopt for anything that is not one (bad syntax,
/// invalid UTF-8, a number out of range).  The caller has limited its length
/// and nesting (see JsonStream).
std::optional<Json> parse_json(std::string_view text);

/// `value` on one line.  Never throws for what is in it: invalid UTF-8, as a
/// file name may have, becomes U+FFFD.
std::string to_line(const Json& value);

/// `value` over several lines, for people.
std::string to_pretty(const Json& value);

}  // namespace resilience
