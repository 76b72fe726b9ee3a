// SPDX-License-Identifier: BSD-3-Clause

// What is written to the log when something goes wrong again and again.

#include <catch2/catch.hpp>

#include "common/core/log_budget.h"

using namespace resilience;
using namespace std::chrono_literals;

namespace {

const LogBudget::TimePoint start = LogBudget::TimePoint{} + 5h;

}  // namespace

TEST_CASE("one bad sector, tried every second for a day, is written once an hour")
{
    LogBudget budget;
    int lines = 0;
    for (auto now = start; now < start + 24h; now += 1s) {
        const auto verdict = budget.happened("read of sector 7", "EIO", now);
        lines += verdict.write;
        if (verdict.write && lines > 1) {
            CHECK(verdict.repeats == 3599);
            CHECK(verdict.note() == "; the same 3599 times since it was last written here");
        }
    }
    CHECK(lines == 24);
}

TEST_CASE("what changes is written at once, and so is another place")
{
    LogBudget budget;
    CHECK(budget.happened("read of sector 7", "EIO", start).write);
    CHECK_FALSE(budget.happened("read of sector 7", "EIO", start + 1s).write);
    const auto changed = budget.happened("read of sector 7", "ENOSPC", start + 2s);
    CHECK(changed.write);
    CHECK(changed.repeats == 1);
    CHECK(budget.happened("write of sector 7", "EIO", start + 2s).write);
    CHECK(budget.happened("read of sector 8", "EIO", start + 2s).write);
    CHECK(budget.happened("read of sector 7", "EIO", start + 3s).repeats == 0);
}

TEST_CASE("different things: so many at once, and one more in each interval")
{
    LogBudget budget(3, 10s);
    int number = 0;
    const auto other = [&](LogBudget::TimePoint now) {
        return budget.happened(std::to_string(number++), "bad", now);
    };
    for (int i = 0; i < 3; i++) {
        CHECK(other(start).write);
    }
    for (int i = 0; i < 5; i++) {
        CHECK_FALSE(other(start + 1s).write);
    }
    const auto later = other(start + 10s);
    CHECK(later.write);
    CHECK(later.others == 5);
    CHECK(later.note() == "; 5 other lines were not written here");
    CHECK_FALSE(other(start + 11s).write);
    // After a long silence there is as much as at first.
    for (int i = 0; i < 3; i++) {
        CHECK(other(start + 1h).write);
    }
    CHECK_FALSE(other(start + 1h).write);
}
