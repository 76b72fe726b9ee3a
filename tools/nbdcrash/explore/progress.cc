// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/progress.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

#include "tools/common/progress_line.h"

namespace resilience::nbdcrash {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds interval{200};
constexpr unsigned bar_columns = 20;

}  // namespace

StateProgress::StateProgress(const writelog::LogIndex& index, const StateOptions& states)
    : terminal_(::isatty(STDERR_FILENO) == 1), begin_(SteadyClock::now()), next_(begin_ + interval)
{
    if (terminal_) {
        total_ = count_states(index, states);
    }
}

StateProgress::~StateProgress()
{
    if (drawn_) {
        std::fputs("\r\033[K", stderr);
    }
}

void StateProgress::show(const Report& report)
{
    listed_++;
    const auto now = SteadyClock::now();
    if (!terminal_ || now < next_) {
        return;
    }
    next_ = now + interval;
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    std::fprintf(stderr, "\r\033[K%s%s",
                 tools::progress_bar(listed_, total_, bar_columns).c_str(),
                 fmt::format("{} of {} states, {} bad, {:.0f} checks/s", listed_, total_,
                             report.bad(), static_cast<double>(report.checked()) / seconds)
                     .c_str());
    drawn_ = true;
}

}  // namespace resilience::nbdcrash
