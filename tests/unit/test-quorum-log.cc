// SPDX-License-Identifier: BSD-3-Clause

// What a quorum writes into the log: what is bad as an error, what makes the
// quorum less safe as a warning, what is good as news.

#include <catch2/catch.hpp>

#include "common/core/log.h"
#include "filters/quorum/reporter.h"
#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

using Line = std::pair<log::Level, std::string>;

std::vector<Line> lines;

/// The one line that was written since it was last asked.
Line line()
{
    REQUIRE(lines.size() == 1);
    return std::exchange(lines, {}).front();
}

}  // namespace

TEST_CASE("news about children are no errors")
{
    log::set_sink([](log::Level level, const std::string& text) noexcept {
        lines.emplace_back(level, text);
    });
    TestQuorum t;
    const Child& child = t.child(1);
    const std::string who = "q: child '" + child.node_name() + "'";
    EventBus bus;
    Reporter reporter(bus, "q");

    reporter.report_bad(
        child, {.fault = Fault::read, .range = {0, 512}, .error = EIO, .mismatch = {}});
    CHECK(line() ==
          Line(log::Level::error, who + ": read of sectors 0+1 failed: Input/output error"));
    reporter.failure({0, 512});
    CHECK(line().first == log::Level::error);

    reporter.state_changed(child, ChildState::online, ChildState::suspect, "why");
    CHECK(line() == Line(log::Level::warning, who + ": online -> suspect: why"));
    reporter.state_changed(child, ChildState::suspect, ChildState::aside, "why");
    CHECK(line().first == log::Level::warning);
    reporter.resync_blocked(child, {0, 512});
    CHECK(line().first == log::Level::warning);

    reporter.state_changed(child, ChildState::aside, ChildState::online, "why");
    CHECK(line() == Line(log::Level::notice, who + ": aside -> online: why"));
    reporter.resync_started(child, 512);
    CHECK(line().first == log::Level::notice);
    reporter.resync_completed(child, 512);
    CHECK(line().first == log::Level::notice);
    reporter.child_added(child);
    CHECK(line().first == log::Level::notice);
    reporter.child_removed(child);
    CHECK(line().first == log::Level::notice);
    log::set_sink(nullptr);
}
