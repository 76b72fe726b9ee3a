// SPDX-License-Identifier: BSD-3-Clause

// Who is slow, and how long somebody is left alone who falls again and again.

#include <vector>

#include <catch2/catch.hpp>

#include "common/core/relapses.h"
#include "common/core/slowness.h"

using namespace resilience;
using namespace std::chrono_literals;
using Times = std::vector<std::chrono::nanoseconds>;

namespace {

const Relapses::TimePoint start = Relapses::TimePoint{} + 5h;

}  // namespace

TEST_CASE("slow begins: from 20 ms on, and ten times what half of the peers take")
{
    struct Row {
        std::chrono::nanoseconds own;
        Times peers;
        bool slow;
    };
    const Row rows[] = {
        {19ms, {1us, 1us}, false},             // nobody waits for that
        {20ms, {2ms, 2ms}, true},
        {20ms, {2001us, 2001us}, false},
        {100ms, {1ms}, true},
        {100ms, {1ms, 90ms}, true},            // one is near, two are far
        {100ms, {1ms, 90ms, 90ms}, false},     // most are like it
        {100ms, {1ms, 2ms, 90ms, 90ms}, true},
        {10s, {9s, 9s}, false},                // all are: it is the load
        {10s, {}, false},
    };
    for (const Row& row : rows) {
        CHECK(is_slow(false, row.own, row.peers) == row.slow);
    }
}

TEST_CASE("slow ends: under 10 ms, or when it is not five times what half of the peers take")
{
    CHECK(is_slow(true, 10ms, Times{1us, 1us}));
    CHECK_FALSE(is_slow(true, 9ms, Times{1us, 1us}));
    CHECK(is_slow(true, 50ms, Times{10ms, 10ms}));
    CHECK_FALSE(is_slow(true, 49ms, Times{10ms, 10ms}));
    CHECK(is_slow(true, 1s, Times{}));
}

TEST_CASE("the median of the last answers: one hiccup changes nothing, a new pace does")
{
    RecentLatency latency;
    for (int i = 0; i < 7; i++) {
        latency.add(1ms);
    }
    CHECK_FALSE(latency.median());
    latency.add(1ms);
    CHECK(latency.median() == 1ms);
    for (int i = 0; i < 100; i++) {
        latency.add(i % 4 == 0 ? 1s : 2ms);
    }
    CHECK(latency.median() == 2ms);
    for (std::size_t i = 0; i < RecentLatency::kept; i++) {
        latency.add(50ms);
    }
    CHECK(latency.median() == 50ms);
}

TEST_CASE("who falls whenever he comes back is left alone for longer each time")
{
    Relapses relapses(1s);
    auto now = start;
    std::vector<int> waits;
    for (int i = 0; i < 8; i++) {
        relapses.fell(now);
        waits.push_back(static_cast<int>(relapses.wait() / 1s));
        CHECK(relapses.not_before() == now + relapses.wait());
        now = relapses.not_before() + 200ms;
        relapses.recovered(now);
        now += 100ms;
    }
    CHECK(waits == std::vector<int>{0, 2, 4, 8, 16, 32, 32, 32});
    CHECK(relapses.times() == 8);
}

TEST_CASE("only a long good time is forgotten for")
{
    Relapses relapses(1s);
    relapses.fell(start);
    relapses.recovered(start + 1s);
    relapses.fell(start + 64s);
    CHECK(relapses.times() == 2);
    CHECK(relapses.wait() == 2s);
    relapses.recovered(start + 70s);
    relapses.fell(start + 134s);
    CHECK(relapses.times() == 1);
    CHECK(relapses.wait() == 0s);
    // A time in which he was away is not a good one.
    relapses.fell(start + 1000s);
    relapses.recovered(start + 2000s);
    relapses.fell(start + 2001s);
    CHECK(relapses.times() == 2);
    relapses.forget();
    CHECK(relapses.wait() == 0s);
}
