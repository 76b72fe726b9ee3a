// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace resilience {

/// JSON as it stands in the control protocol; members keep their order, so
/// that what people read comes in the order in which it was written.
using Json = nlohmann::ordered_json;

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
