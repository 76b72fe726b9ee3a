// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/log.h"

#include <atomic>
#include <cstdio>

namespace resilience::log {

namespace {

void to_stderr(Level level, const std::string& text) noexcept
{
    if (level != Level::debug) {
        std::fprintf(stderr, "%s\n", text.c_str());
    }
}

std::atomic<Sink> current_sink{to_stderr};

}  // namespace

void set_sink(Sink sink)
{
    current_sink.store(sink ? sink : to_stderr);
}

void write(Level level, const std::string& text) noexcept
{
    current_sink.load()(level, text);
}

}  // namespace resilience::log
