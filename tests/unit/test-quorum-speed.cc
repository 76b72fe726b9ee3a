// SPDX-License-Identifier: BSD-3-Clause

// Which children are slow, and who is asked then.

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

Options with(ReadPattern pattern)
{
    Options options;
    options.read_pattern = pattern;
    return options;
}

/// A reads and writes after 50 ms, the others at once.
void ask(TestQuorum& t, bool writes)
{
    t.device(0).hold_all();
    t.clock.after(50ms, [&] { t.device(0).release_all(); });
    if (writes) {
        REQUIRE(t.write({0, 512}, std::byte{1}) == 0);
    } else {
        REQUIRE(t.read({0, 512}).first == 0);
    }
    t.clock.advance(60ms);
    t.quorum->housekeep();
}

void ask_until(TestQuorum& t, bool writes, const std::atomic<bool>& slow)
{
    for (int i = 0; i < 200 && !slow; i++) {
        ask(t, writes);
    }
}

}  // namespace

TEST_CASE("a child is slow against its peers, in reads or in writes")
{
    TestQuorum t;
    ask_until(t, false, t.child(0).reading.slow);
    CHECK(t.child(0).reading.slow);
    CHECK_FALSE(t.child(0).writing.slow);
    CHECK(t.child(0).reading.latency.median() == 50ms);
    for (const std::size_t fast : {1, 2}) {
        CHECK_FALSE(t.child(fast).reading.slow);
        CHECK(t.child(fast).reading.latency.median() == 0ms);
    }
    CHECK(t.notes.count("slow children.0 read") == 1);
    ask_until(t, true, t.child(0).writing.slow);
    CHECK(t.notes.count("slow children.0 write") == 1);

    for (int i = 0; i < 20; i++) {
        REQUIRE(t.read({0, 512}).first == 0);
        t.quorum->housekeep();
    }
    CHECK_FALSE(t.child(0).reading.slow);
    CHECK(t.child(0).writing.slow);
    CHECK(t.notes.count("not slow children.0 read") == 1);
}

TEST_CASE("what the resync asks of one child alone says nothing about its speed")
{
    TestQuorum t;
    for (std::size_t i = 0; i < 3; i++) {
        t.device(i).fill({0, granule}, std::byte{1});
    }
    for (int i = 0; i < 50; i++) {
        t.child(0).missed({0, granule});
        t.device(0).hold(Op::write);
        t.clock.after(50ms, [&] { t.device(0).release_all(); });
        t.resync();
    }
    CHECK(t.child(0).counters.resynced_bytes == 50 * granule);
    CHECK_FALSE(t.child(0).writing.latency.median());
    CHECK_FALSE(t.child(1).reading.latency.median());
}

TEST_CASE("fifo passes over a slow child, asks it if nobody else can, and goes back to it")
{
    TestQuorum t(3, 16 * granule, with(ReadPattern::fifo));
    ask_until(t, false, t.child(0).reading.slow);
    REQUIRE(t.child(0).reading.slow);
    const auto reads = [&](std::size_t i) { return t.child(i).counters.reads.load(); };
    const auto before = std::pair(reads(0), reads(1));
    const TimePoint began = t.clock.now();
    for (int i = 0; i < 10; i++) {
        CHECK(t.read({0, 512}).first == 0);
    }
    CHECK(t.clock.now() == began);
    CHECK(std::pair(reads(0), reads(1)) == std::pair(before.first, before.second + 10));

    t.device(1).fail(Op::read, EIO);
    t.device(2).fail(Op::read, EIO);
    CHECK(t.read({0, 512}).first == 0);
    CHECK(reads(0) == before.first + 1);

    for (int i = 0; i < 200 && t.child(0).reading.slow; i++) {
        CHECK(t.read({0, 512}).first == 0);
        t.clock.advance(100ms);
        t.quorum->housekeep();
    }
    CHECK_FALSE(t.child(0).reading.slow);
    const auto last = reads(0);
    CHECK(t.read({0, 512}).first == 0);
    CHECK(reads(0) == last + 1);
}

TEST_CASE("fifo measures nobody while no child is slow")
{
    TestQuorum t(3, 16 * granule, with(ReadPattern::fifo));
    for (int i = 0; i < 50; i++) {
        CHECK(t.read({0, 512}).first == 0);
        t.clock.advance(100ms);
    }
    CHECK(t.device(1).count(Op::read) == 0);
    CHECK(t.device(2).count(Op::read) == 0);
}

TEST_CASE("fastest does not let a slow child fall far behind")
{
    TestQuorum t(3, 16 * granule, with(ReadPattern::fastest));
    ask_until(t, false, t.child(0).reading.slow);
    REQUIRE(t.child(0).reading.slow);
    t.device(0).hold(Op::read);
    for (int i = 0; i < 20; i++) {
        CHECK(t.read({0, 512}).first == 0);
    }
    CHECK(t.device(0).held() == 4);
    CHECK(t.child(0).counters.not_compared == 16);
    t.device(0).release_all();
}
