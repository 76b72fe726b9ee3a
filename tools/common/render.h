// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/control/json_fwd.h"

namespace resilience::tools {

/// Any value as text for people: an object as "key: value" lines, an array of
/// objects as a table, or one after the other if they hold tables themselves.
/// Ends with a newline unless it is empty.
///
/// Numbers get the unit that their key's ending names ("-bytes", "-ms", ...).
std::string render(const Json& value);

/// The same on one line, without a newline.
std::string render_line(const Json& value);

/// "1.5 MiB"
std::string format_bytes(std::uint64_t bytes);

/// Text that cannot do anything to a terminal: control characters, as a name
/// that someone else chose may have, become \xNN.
std::string printable(std::string_view text);

/// The columns that `text` takes, near enough: one per code point.
std::size_t width(std::string_view text);

/// `text` with spaces up to so many columns, before it (`right`) or behind it.
std::string pad(const std::string& text, std::size_t columns, bool right);

}  // namespace resilience::tools
