// SPDX-License-Identifier: BSD-3-Clause

// When a child is trusted again: after a silence, a lost connection, a server
// that forgot.

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

constexpr std::byte one{1};
constexpr std::byte two{2};

}  // namespace

TEST_CASE("a child that misses a deadline is suspect, then aside, then comes back stale")
{
    TestQuorum t;
    t.device(2).hold(Op::write);
    REQUIRE(t.write({0, 512}, one) == 0);
    CHECK(t.child(2).state() == ChildState::suspect);
    CHECK(t.child(2).owed() == 1);
    CHECK(t.child(2).stale().any({0, 512}));
    // Nobody waits for it again.
    const TimePoint before = t.clock.now();
    REQUIRE(t.write({512, 1024}, one) == 0);
    CHECK(t.clock.now() == before);
    t.clock.advance(11s);
    t.quorum->housekeep();
    CHECK(t.child(2).state() == ChildState::aside);

    t.device(2).release_all();
    CHECK(t.child(2).owed() == 0);
    t.settle();
    CHECK(t.child(2).state() == ChildState::online);
    CHECK_FALSE(t.child(2).current({0, 512}));
    t.resync();
    CHECK(t.child(2).current({0, t.size}));
    CHECK(t.device(2).content() == t.device(0).content());
    CHECK(t.child(2).counters.timeouts == 1);
    CHECK(t.child(2).counters.late_answers == 1);
}

TEST_CASE("a line that is slow is waited for as long as something comes, and no longer")
{
    TestQuorum t;
    const Duration timeout = t.child(2).timeout();
    t.device(2).hold(Op::write);
    TimePoint last{};
    int answers = 3;
    Progress progress{.asked = 100};
    t.device(2).on_progress([&] {
        if (answers > 0) {
            answers--;
            last = t.clock.now();
        }
        progress.at = last;
        return progress;
    });
    const TimePoint before = t.clock.now();
    SECTION("what was asked before it comes first")
    {
        REQUIRE(t.write({0, 512}, one) == 0);
        // The first was when it was sent.
        CHECK(t.clock.now() - before == 3 * timeout);
    }
    SECTION("all that was asked before it has been answered")
    {
        progress.answered = 100;
        REQUIRE(t.write({0, 512}, one) == 0);
        CHECK(t.clock.now() - before == timeout);
    }
    CHECK(t.child(2).state() == ChildState::suspect);
}

TEST_CASE("a large request has time as long as parts of it are answered")
{
    TestQuorum t(3, 64 * granule);
    const Duration timeout = t.child(2).timeout();
    t.device(2).hold(Op::write);
    t.device(2).on_request([&](const Request& request) {
        if (request.op == Op::write) {
            REQUIRE(request.answered_at);
            const TimePoint then = t.clock.now() + timeout / 2;
            request.answered_at->store(then.time_since_epoch().count());
        }
    });
    const TimePoint before = t.clock.now();
    REQUIRE(t.write({0, 32 * granule}, one) == 0);
    CHECK(t.clock.now() - before == timeout + timeout / 2);
    CHECK(t.child(2).state() == ChildState::suspect);
}

TEST_CASE("a child with a request in flight is not back, whether or not that was abandoned")
{
    TestQuorum t;
    auto& device = t.device(2);
    device.hold_all();
    // Two reads: the first one is abandoned, the second one has time left.
    Fanout first(t.clock, 1);
    Fanout second(t.clock, 1);
    const auto read = [&](Fanout& fan) {
        auto request = std::make_shared<Request>();
        const Buffer buffer = take_buffer(512);
        request->length = 512;
        request->into = buffer.span();
        request->owner = buffer.memory;
        fan.add(t.quorum->children()[2]);
        fan.send(0, request);
    };
    read(first);
    t.clock.advance(1s);
    read(second);
    first.wait();
    REQUIRE(t.child(2).state() == ChildState::suspect);
    device.release_one();
    CHECK(t.child(2).owed() == 0);
    CHECK(t.child(2).in_flight() == 1);
    t.quorum->housekeep();
    CHECK(t.child(2).state() == ChildState::suspect);
    device.release_one();
    second.wait();
    t.quorum->housekeep();
    CHECK(t.child(2).state() == ChildState::online);
    CHECK(t.child(2).in_flight() == 0);
}

TEST_CASE("a child that loses its link and forgets is stale where it was not flushed")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    REQUIRE(t.flush() == 0);
    REQUIRE(t.write({4 * granule, 4 * granule + 512}, two) == 0);
    Flags fua;
    fua.fua = true;
    REQUIRE(t.write({8 * granule, 8 * granule + 512}, two, fua) == 0);
    t.device(2).drop_link();
    t.device(2).forget_unflushed();
    t.device(2).return_link();
    CHECK_FALSE(t.child(2).online());  // even before anybody noticed
    t.settle();
    REQUIRE(t.child(2).online());
    CHECK(t.child(2).stale().marked_bytes() == granule);
    CHECK_FALSE(t.child(2).current({4 * granule, 4 * granule + 512}));
    CHECK(t.child(2).current({0, granule}));
    CHECK(t.child(2).current({8 * granule, 8 * granule + 512}));
    const auto [error, data] = t.read({4 * granule, 4 * granule + 512});
    CHECK(error == 0);
    CHECK(data[0] == two);
    CHECK(t.child(2).counters.mismatches == 0);
    t.resync();
    CHECK(t.device(2).at(4 * granule) == two);
    CHECK(t.child(2).current({0, t.size}));
    CHECK(t.notes.count("resynced children.2") == 1);
}

TEST_CASE("a write that was cut off keeps its child away for a moment")
{
    TestQuorum t;
    t.device(2).hold(Op::write);
    // While the others' answers are in, the third's link breaks.
    t.clock.after(1s, [&] {
        t.device(2).drop_link();
        t.device(2).hold_none();
    });
    REQUIRE(t.write({0, 512}, one) == 0);
    t.device(2).return_link();
    t.quorum->housekeep();
    t.quorum->housekeep();
    CHECK(t.child(2).state() == ChildState::aside);
    t.clock.advance(499ms);
    t.quorum->housekeep();
    CHECK(t.child(2).state() == ChildState::aside);
    t.clock.advance(1ms);
    t.quorum->housekeep();
    CHECK(t.child(2).state() == ChildState::online);
    CHECK(t.child(2).stale().any({0, 512}));
}

TEST_CASE("a write whose link was lost before it was noted leaves the child stale")
{
    TestQuorum t;
    Child& child = t.child(0);
    const std::uint64_t before = child.epoch();
    t.device(0).drop_link();
    t.quorum->housekeep();
    CHECK(child.epoch() == before + 1);
    child.wrote({0, granule}, before, false);  // answered on the old link, noted now
    CHECK(child.stale().any({0, granule}));
    child.wrote({0, granule}, before + 1, false);
    CHECK_FALSE(child.stale().any());
    // Durable or not, what the epoch does not tell is not believed.
    child.wrote({0, granule}, before, true);
    CHECK(child.stale().any({0, granule}));
}

TEST_CASE("each lost link is noted once, and again when it is lost again")
{
    TestQuorum t;
    for (std::uint64_t times = 1; times <= 3; times++) {
        t.device(1).drop_link();
        t.quorum->housekeep();
        t.quorum->housekeep();
        CHECK(t.child(1).counters.links_lost == times);
        t.device(1).return_link();
        t.settle();
        CHECK(t.child(1).online());
        // Lost and made again between two looks: a loss like any other.
    }
    t.device(1).drop_link();
    t.device(1).return_link();
    t.settle();
    CHECK(t.child(1).counters.links_lost == 4);
}

namespace {

/// Writes, which C answers just after its timeout, and looks after the children until
/// it is online again or `limit` has passed.  Returns how long it was left alone.
Duration flap(TestQuorum& t, Duration limit)
{
    t.device(2).hold(Op::write);
    t.clock.after(10100ms, [&] { t.device(2).release_all(); });
    REQUIRE(t.write({0, 512}, one) == 0);
    const TimePoint fell = t.clock.now();
    while (t.child(2).state() != ChildState::online && t.clock.now() - fell < limit) {
        t.clock.advance(100ms);
        t.quorum->housekeep();
    }
    t.resync();
    return t.clock.now() - fell;
}

}  // namespace

TEST_CASE("a child that answers just after its timeout, again and again, is left alone longer")
{
    TestQuorum t;
    CHECK(flap(t, 1h) < 1s);
    CHECK(t.child(2).relapses() == 1);
    for (const int timeouts : {2, 4, 8, 16, 32, 32}) {
        const Duration away = flap(t, 1h);
        CHECK(away >= timeouts * 10s);
        CHECK(away < timeouts * 10s + 1s);
        CHECK(t.child(2).waits(t.clock.now()) == 0s);
    }
    CHECK(t.child(2).counters.timeouts == 7);
    // A long good time is forgotten for.
    t.clock.advance(640s);
    CHECK(flap(t, 1h) < 1s);
}

TEST_CASE("while it waits, a child is suspect, says for how long, and is not asked")
{
    TestQuorum t;
    flap(t, 1h);
    flap(t, 5s);
    CHECK(t.child(2).in_flight() == 0);
    CHECK(t.child(2).state() == ChildState::suspect);
    CHECK(t.child(2).waits(t.clock.now()) == 15s);
    const int asked = t.device(2).count(Op::read);
    const TimePoint before = t.clock.now();
    CHECK(t.read({0, 512}).first == 0);
    CHECK(t.clock.now() == before);
    CHECK(t.device(2).count(Op::read) == asked);
    // A person knows better.
    t.child(2).forgive();
    t.quorum->housekeep();
    CHECK(t.child(2).state() == ChildState::online);
}

TEST_CASE("a child that waits is used when the others are not enough")
{
    TestQuorum t;
    flap(t, 1h);
    flap(t, 5s);
    t.quorum->housekeep();
    REQUIRE(t.child(2).state() == ChildState::suspect);
    SECTION("because one is away")
    {
        t.device(1).drop_link();
    }
    SECTION("because one is stale")
    {
        t.child(1).missed({0, granule});
    }
    t.quorum->housekeep();
    t.quorum->housekeep();
    CHECK(t.child(2).state() == ChildState::online);
    CHECK(t.child(2).relapses() == 2);
}
