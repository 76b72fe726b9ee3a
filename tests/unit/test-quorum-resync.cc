// SPDX-License-Identifier: BSD-3-Clause

// Copying what a child missed.

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {
constexpr std::byte one{1};
constexpr std::byte two{2};
}  // namespace

TEST_CASE("a place that cannot be written does not keep the rest stale")
{
    TestQuorum t(3, 64 * granule);
    REQUIRE(t.write({0, 64 * granule}, one) == 0);
    t.child(2).missed({0, 64 * granule});
    t.device(2).fill({0, 64 * granule}, two);
    t.device(2).fail(Op::write, EIO, 1000, {3 * granule, 3 * granule + 512});
    for (int i = 0; i < 200; i++) {
        t.quorum->work();
        t.clock.advance(100ms);
    }
    CHECK(t.child(2).stale().marked_bytes() == granule);
    CHECK(t.child(2).current({0, 3 * granule}));
    CHECK(t.child(2).current({4 * granule, 64 * granule}));
    CHECK(t.notes.count("resynced children.2") == 0);
}

TEST_CASE("a low rate is kept in every part of a second, not by a burst and a pause")
{
    Options options;
    options.resync_rate = 8 * granule;  // half a MiB per second
    TestQuorum t(3, 16 * granule, options);
    t.child(2).missed({0, t.size});
    std::uint64_t before = 0;
    for (int i = 0; i < 20; i++) {
        t.resync();
        const std::uint64_t now = t.child(2).counters.resynced_bytes;
        CHECK(now - before <= 2 * granule);
        CHECK(now <= (i + 8) * granule);
        before = now;
        t.clock.advance(125ms);
    }
    CHECK(before == t.size);
}

TEST_CASE("a source has its own time to answer, not that of the child that is copied to")
{
    TestQuorum t({10000ms, 10000ms, 100ms}, 16 * granule);
    t.child(2).missed({0, granule});
    t.device(0).hold(Op::read);
    t.clock.after(5s, [&] { t.device(0).release_all(); });
    t.resync();
    CHECK(t.child(0).state() == ChildState::online);
    CHECK(t.child(2).state() == ChildState::online);
    CHECK(t.child(0).counters.timeouts == 0);
    CHECK(t.child(2).counters.timeouts == 0);
    CHECK_FALSE(t.child(2).stale().any());
}

TEST_CASE("an old write lands before the copy, never on top of it")
{
    TestQuorum t;
    t.device(2).hold(Op::write);
    REQUIRE(t.write({0, granule}, one) == 0);
    t.device(2).hold_none();
    REQUIRE(t.write({0, granule}, two) == 0);  // C is suspect, and misses this
    t.settle();
    t.resync();
    CHECK(t.device(2).at(0) == std::byte{0});  // nothing is copied while it owes
    t.device(2).release_all();
    CHECK(t.device(2).at(0) == one);
    CHECK(t.read({0, 512}).second[0] == two);
    t.settle();
    t.resync();
    CHECK(t.device(2).at(0) == two);
    CHECK(t.child(2).counters.mismatches == 0);
}

TEST_CASE("children that are stale confirm what a current one holds, and outvote nobody")
{
    TestQuorum t;
    REQUIRE(t.write({0, 2 * granule}, one) == 0);
    REQUIRE(t.flush() == 0);
    // B and C may have forgotten, and have not: A and they agree.
    t.child(1).missed({0, granule});
    t.child(2).missed({0, granule});
    CHECK(t.read({0, 512}).first == EIO);
    t.resync();
    CHECK(t.read({0, 512}).second[0] == one);
    // B and C have both forgotten, and agree: that is no quorum against A.
    for (const std::size_t i : {1, 2}) {
        t.child(i).missed({granule, 2 * granule});
        t.device(i).fill({granule, 2 * granule}, two);
    }
    t.clock.advance(2s);
    t.resync();
    CHECK(t.read({granule, granule + 512}).first == EIO);
    CHECK(resync_status(t.child(1)).state == "blocked");
    CHECK(t.device(0).at(granule) == one);
    CHECK(t.device(1).at(granule) == two);
}

TEST_CASE("fifo does not believe a child that forgot while it was asked")
{
    Options options;
    options.read_pattern = ReadPattern::fifo;
    TestQuorum t(3, 16 * granule, options);
    REQUIRE(t.write({0, 512}, one) == 0);
    bool once = true;
    t.device(0).on_request([&](const Request& request) {
        if (request.op == Op::read && std::exchange(once, false)) {
            t.device(0).drop_link();
            t.device(0).forget_unflushed();
            t.device(0).return_link();
            t.child(0).request_ends();  // this very one, as if it were not sent yet
            t.settle();
            t.child(0).request_begins();
        }
    });
    const auto [error, data] = t.read({0, 512});
    CHECK(error == 0);
    CHECK(data[0] == one);
}

TEST_CASE("a zero of many pieces lets others in between")
{
    TestQuorum t(3, 3ULL << 25);
    int reads = 0;
    int pieces = 0;
    t.device(0).on_request([&](const Request& request) {
        pieces += request.op == Op::zero;
        if (request.op == Op::zero && request.offset > 0 && reads == 0) {
            reads++;
            CHECK(t.read({0, 512}).first == 0);  // the first piece is done, and free
        }
    });
    Request request{Op::zero, {}, 0, t.size, {}, {}, {}, {}};
    CHECK(t.quorum->execute(request) == 0);
    CHECK(pieces == 3);
    CHECK(reads == 1);
}
