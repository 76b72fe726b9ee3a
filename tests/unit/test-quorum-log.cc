// SPDX-License-Identifier: BSD-3-Clause

// What a quorum writes into the log: what is bad as an error, what makes the
// quorum less safe as a warning, what is good as news.

#include <atomic>
#include <stdexcept>
#include <thread>

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

TEST_CASE("a fault that comes again and again is written once")
{
    log::set_sink([](log::Level level, const std::string& text) noexcept {
        lines.emplace_back(level, text);
    });
    TestQuorum t;
    EventBus bus;
    Reporter reporter(bus, "q");
    // As if a second passed after each, so that the event itself is sent.
    auto now = std::chrono::steady_clock::now();
    const auto time_passes = [&] { bus.run_due(now += 1h); };
    const auto fails = [&](std::size_t child, ByteRange range, int error) {
        reporter.report_bad(t.child(child),
                            {.fault = Fault::write, .range = range, .error = error, .mismatch = {}});
        time_passes();
    };
    for (int i = 0; i < 50; i++) {
        fails(2, {0, 512}, EIO);
    }
    CHECK(line().second ==
          "q: child 'children.2': write of sectors 0+1 failed: Input/output error");
    fails(2, {0, 512}, ENOSPC);
    CHECK(line().second == "q: child 'children.2': write of sectors 0+1 failed: No space left on "
                           "device; the same 49 times since it was last written here");
    fails(2, {512, 1024}, EIO);
    CHECK(line().second.ends_with("sectors 1+1 failed: Input/output error"));
    fails(1, {0, 512}, EIO);
    CHECK(line().second.starts_with("q: child 'children.1'"));
    for (int i = 0; i < 3; i++) {
        reporter.failure({0, 512});
        time_passes();
    }
    CHECK(line().first == log::Level::error);
    log::set_sink(nullptr);
}

TEST_CASE("an exception in a thread of the quorum is logged and ends nothing")
{
    static std::atomic<int> errors;
    log::set_sink([](log::Level level, const std::string& text) noexcept {
        errors += level == log::Level::error && text.starts_with("quorum-watch: no memory");
    });
    struct Throws final : Observer {
        void housekeep(TimePoint) override
        {
            calls++;
            if (calls == 2) {
                throw std::runtime_error("no memory");
            }
        }
        std::atomic<int> calls{0};
    } observer;
    std::vector<NewChild> children;
    children.push_back({"", std::make_shared<FaultyDevice>(granule)});
    Options options;
    options.settle(1);
    QuorumDevice quorum(options, std::move(children), observer);
    quorum.start();
    for (int i = 0; i < 1000 && observer.calls < 3; i++) {
        std::this_thread::sleep_for(10ms);
    }
    CHECK(observer.calls >= 3);
    CHECK(errors == 1);
    quorum.stop(1s);
    log::set_sink(nullptr);
}
