// SPDX-License-Identifier: BSD-3-Clause
#include "tools/common/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "tools/common/render.h"

namespace resilience::tools {

namespace {

constexpr auto first_look = std::chrono::seconds(1);
constexpr auto interval = std::chrono::milliseconds(200);
constexpr unsigned bar_columns = 20;

double fraction(std::uint64_t done, std::uint64_t total)
{
    return total == 0 ? 0
                      : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

}  // namespace

std::optional<double> Speed::update(std::uint64_t done, Clock::time_point now)
{
    if (last_time_ && now > *last_time_ && done >= last_done_) {
        const double seconds = std::chrono::duration<double>(now - *last_time_).count();
        const double speed = static_cast<double>(done - last_done_) / seconds;
        speed_ = speed_ ? 0.7 * *speed_ + 0.3 * speed : speed;
    }
    last_time_ = now;
    last_done_ = done;
    return speed_;
}

std::string progress_bar(std::uint64_t done, std::uint64_t total, unsigned columns)
{
    const auto full = static_cast<unsigned>(fraction(done, total) * columns);
    return "[" + std::string(full, '#') + std::string(columns - full, '.') + "] ";
}

std::string progress_amount(std::uint64_t done, std::uint64_t total, std::uint64_t remaining,
                            std::optional<double> bytes_per_second)
{
    std::string text = fmt::format("{:.1f} %, {} of {}", 100 * fraction(done, total),
                                   format_bytes(done), format_bytes(total));
    if (bytes_per_second && *bytes_per_second >= 1) {
        const auto left =
            static_cast<std::uint64_t>(static_cast<double>(remaining) / *bytes_per_second);
        const auto speed = static_cast<std::uint64_t>(*bytes_per_second);
        text += fmt::format(", {}/s, ", format_bytes(speed));
        text += left >= 3600 ? fmt::format("{}:{:02}:{:02} left", left / 3600, left / 60 % 60,
                                           left % 60)
                             : fmt::format("{}:{:02} left", left / 60, left % 60);
    }
    return text;
}

unsigned terminal_columns(int fd)
{
    winsize size{};
    return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

ProgressLine::ProgressLine(std::string what, std::uint64_t total)
    : what_(std::move(what)), total_(total), terminal_(::isatty(STDERR_FILENO) == 1),
      next_(Clock::now() + first_look)
{
}

ProgressLine::~ProgressLine()
{
    if (drawn_) {
        std::fputs("\r\x1b[K", stderr);
    }
}

void ProgressLine::add(std::uint64_t bytes)
{
    done_ += bytes;
    if (!terminal_) {
        return;
    }
    const auto now = Clock::now();
    if (now < next_) {
        return;
    }
    next_ = now + interval;
    drawn_ = true;
    const std::uint64_t left = total_ - std::min(total_, done_);
    std::string line = progress_bar(done_, total_, bar_columns) + what_ + ": " +
                       progress_amount(done_, total_, left, speed_.update(done_, now));
    line.resize(std::min<std::size_t>(line.size(), terminal_columns(STDERR_FILENO) - 1));
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
}

}  // namespace resilience::tools
