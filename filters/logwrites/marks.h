// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Marks: names that a user gives to places in the log.  They come by the
// control socket, by the name of an export, and through a mailbox on the
// device; all three check the name here.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/format/dm_log_writes.h"

namespace resilience::logwrites {

/// Our own marks.  Users' names do not begin like this.
inline constexpr std::string_view own_marks = "logwrites-";
inline constexpr std::string_view start_mark = "logwrites-start";
inline constexpr std::string_view end_mark = "logwrites-end";
/// The recording ended here, the device did not (logwrites-full=stop).
inline constexpr std::string_view stopped_mark = "logwrites-stopped";
/// The place of a flush that was asked for and has not been answered ...
inline constexpr std::string_view pending_mark = "logwrites-flush-pending";
/// ... or that has failed.
inline constexpr std::string_view failed_mark = "logwrites-flush-failed";

/// How the name of an export begins that is a mark.
inline constexpr std::string_view export_prefix = "mark:";

/// What is wrong with a mark's name, for people; nullopt if nothing is.
std::optional<std::string> refuse_mark(std::string_view name);

/// The entry that is the mark `name`, which has been checked, made by
/// `connection` (0: by the filter itself).
writelog::Entry mark_entry(std::string_view name, std::uint32_t connection);

/// Bytes of the mailbox.
inline constexpr std::size_t mailbox_size = 512;

/// What a sector that was written to the mailbox asks for: the name in
/// "logwrites-mark:NAME\n", unchecked; nullopt if it is no such text.
std::optional<std::string_view> read_mailbox(std::span<const std::byte> sector);

}  // namespace resilience::logwrites
