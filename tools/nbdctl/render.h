// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/control/json.h"

namespace resilience::nbdctl {

/// Any value as text for people: an object as "key: value" lines, an array of
/// objects as a table.  Ends with a newline unless it is empty.
///
/// Numbers get the unit that their key's ending names ("-bytes", "-ms", ...).
std::string render(const Json& value);

/// One event on one line, in words.
std::string render_event(const Json& event);

/// What query-commands returns, as a list with each command's arguments.
std::string render_commands(const Json& commands);

/// "1.5 MiB"
std::string format_bytes(std::uint64_t bytes);

/// Text that cannot do anything to a terminal: control characters, as a name
/// that someone else chose may have, become \xNN.
std::string printable(std::string_view text);

}  // namespace resilience::nbdctl
