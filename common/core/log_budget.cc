// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/log_budget.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace resilience {

namespace {

constexpr std::chrono::hours repeat_after{1};

}  // namespace

std::string LogBudget::Verdict::note() const
{
    std::string note;
    if (repeats != 0) {
        note += fmt::format("; the same {} times since it was last written here", repeats);
    }
    if (others != 0) {
        note += fmt::format("; {} other lines were not written here", others);
    }
    return note;
}

LogBudget::Verdict LogBudget::happened(const std::string& what, const std::string& how,
                                       TimePoint now)
{
    const auto known = known_.find(what);
    if (known != known_.end() && known->second.how == how &&
        now - known->second.written < repeat_after) {
        known->second.repeats++;
        return {};
    }
    if (!take_line(now)) {
        others_++;
        return {};
    }
    const std::uint64_t repeats = known != known_.end() ? known->second.repeats : 0;
    std::erase_if(known_, [&](const auto& each) {
        return now - each.second.written >= 2 * repeat_after;
    });
    known_[what] = {how, now, 0};
    return {true, repeats, std::exchange(others_, 0)};
}

bool LogBudget::take_line(TimePoint now)
{
    if (left_ == most_) {
        refilled_ = now;
    }
    const auto intervals = (now - refilled_) / interval_;
    left_ = static_cast<unsigned>(std::min<std::int64_t>(most_, left_ + intervals));
    refilled_ += intervals * interval_;
    if (left_ == 0) {
        return false;
    }
    left_--;
    return true;
}

}  // namespace resilience
