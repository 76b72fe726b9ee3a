// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the library has to say to the person who runs the server.  nbdkit's
// shims install a sink that writes where nbdkit writes; without one (in unit
// tests) everything but debug messages goes to stderr.

#include <string>
#include <utility>

#include <fmt/format.h>

namespace resilience::log {

/// error: something does not work.  warning: everything works, but is less safe
/// than it should be, or soon will not work.  notice: news, and good ones.
/// debug: only where it was asked for.
enum class Level { error, warning, notice, debug };

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
void warning(fmt::format_string<Args...> format, Args&&... args)
{
    write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void notice(fmt::format_string<Args...> format, Args&&... args)
{
    write(Level::notice, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args)
{
    write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace resilience::log
