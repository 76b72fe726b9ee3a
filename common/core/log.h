// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the library has to say to the person who runs the server.  nbdkit's
// shims install a sink that calls nbdkit_error / nbdkit_debug; without one (in
// unit tests) errors and information go to stderr and debug messages nowhere.

#include <string>
#include <utility>

#include <fmt/format.h>

namespace resilience::log {

/// error: something is wrong.  info: nothing is wrong, but people want to read
/// it anyway (a summary at the end).  debug: only where it was asked for.
enum class Level { error, info, debug };

using Sink = void (*)(Level level, const std::string& text) noexcept;

/// Installs the sink; call it before threads exist.
void set_sink(Sink sink);

/// Writes one line (no newline in `text`).  Thread-safe, never throws.
void write(Level level, const std::string& text) noexcept;

template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args)
{
    write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args)
{
    write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args)
{
    write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace resilience::log
