// SPDX-License-Identifier: BSD-3-Clause

// Copying what a child missed.

#include <algorithm>

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
    t.child(1).distrust({0, granule});
    t.child(2).distrust({0, granule});
    CHECK(t.read({0, 512}).second[0] == one);
    t.resync();
    CHECK(t.read({0, 512}).second[0] == one);
    CHECK_FALSE(t.child(1).stale().any());
    // B and C have both forgotten, and agree: that is no quorum against A.
    for (const std::size_t i : {1, 2}) {
        t.child(i).distrust({granule, 2 * granule});
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

namespace {

constexpr std::uint64_t device_size = 1024 * granule;  // 64 MiB

/// A and B hold data in two places, and say that all else is a hole.  C has old data
/// everywhere and is stale.
struct Sparse {
    Sparse()
    {
        for (std::size_t i = 0; i < 2; i++) {
            t.device(i).fill({5 * granule, 6 * granule}, one);
            t.device(i).fill({700 * granule + 4096, 700 * granule + 8192}, two);
            t.device(i).claim_holes([](std::uint64_t at) { return !is_data(at); });
            t.device(i).on_request([this](const Request& request) {
                bytes_read += request.op == Op::read ? request.length : 0;
            });
        }
        t.device(2).fill({0, device_size}, std::byte{0xee});
        t.child(2).missed({0, device_size});
    }
    static bool is_data(std::uint64_t at)
    {
        return at / granule == 5 || at / 4096 == 700 * granule / 4096 + 1;
    }

    TestQuorum t{3, device_size};
    std::uint64_t bytes_read = 0;
};

}  // namespace

TEST_CASE("holes are not read but zeroed")
{
    Sparse s;
    s.t.resync();
    CHECK_FALSE(s.t.child(2).stale().any());
    CHECK((s.t.device(2).content() == s.t.device(0).content()));
    CHECK(s.bytes_read == 2 * 2 * granule);
    CHECK(s.t.device(2).count(Op::zero) < 10);
    CHECK(s.t.notes.count("resynced children.2") == 1);
}

TEST_CASE("holes cost nothing of the rate, what is copied does")
{
    Options options;
    options.resync_rate = 16 * granule;
    TestQuorum t(3, device_size, options);
    for (std::size_t i = 0; i < 2; i++) {
        t.device(i).fill({0, 32 * granule}, one);
        t.device(i).claim_holes([](std::uint64_t at) { return at >= 32 * granule; });
    }
    t.child(2).missed({0, device_size});
    for (int i = 0; i < 40; i++) {
        t.resync();
        t.clock.advance(100ms);
    }
    CHECK_FALSE(t.child(2).stale().any());
    CHECK((t.device(2).content() == t.device(0).content()));
}

TEST_CASE("a hole that not all of the sources have is read")
{
    TestQuorum t(4, 16 * granule);
    for (std::size_t i = 0; i < 3; i++) {
        t.device(i).fill({0, t.size}, one);
    }
    t.device(1).claim_holes([](std::uint64_t) { return true; });  // it lies
    t.child(3).missed({0, t.size});
    t.resync();
    CHECK(t.device(3).content() == t.device(0).content());
    CHECK(t.child(3).current({0, t.size}));
}

TEST_CASE("what is written into a hole after it was looked at is not zeroed")
{
    Sparse s;
    // A and B are asked for the stretch ahead, and then for its first hole.  In
    // between a client writes into its second one.
    int asked = 0;
    bool written = false;
    for (std::size_t i = 0; i < 2; i++) {
        s.t.device(i).claim_holes([&](std::uint64_t at) {
            return !Sparse::is_data(at) && (!written || at / granule != 300);
        });
    }
    s.t.device(0).on_request([&](const Request& request) {
        if (request.op == Op::extents && ++asked == 2) {
            REQUIRE(s.t.write({300 * granule, 301 * granule}, two) == 0);
            s.t.child(2).missed({300 * granule, 301 * granule});
            s.t.device(2).fill({300 * granule, 301 * granule}, one);
            written = true;
        }
    });
    s.t.resync();
    CHECK(written);
    CHECK((s.t.device(2).content() == s.t.device(0).content()));
}

TEST_CASE("a child without native zeroes gets them in the pieces of a copy")
{
    Sparse s;
    s.t.device(2).traits().zero = false;
    std::uint64_t largest = 0;
    s.t.device(2).on_request([&](const Request& request) {
        largest = std::max(largest, modifies(request.op) ? request.length : 0);
    });
    s.t.resync();
    CHECK((s.t.device(2).content() == s.t.device(0).content()));
    CHECK(largest == 1 << 20);
    CHECK(s.bytes_read == 2 * 2 * granule);
}
