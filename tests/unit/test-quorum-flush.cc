// SPDX-License-Identifier: BSD-3-Clause

// A flush that was acknowledged is one: whatever happens to the children
// between a write, its flush and the answers.

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {
constexpr std::byte one{1};
}

TEST_CASE("a write acknowledged by A and B is not flushed by A and C")
{
    TestQuorum t;
    t.device(2).fail(Op::write, EIO);
    REQUIRE(t.write({0, 512}, one) == 0);
    t.device(1).fail(Op::flush, EIO);
    CHECK(t.flush() == EIO);
    // Once C has it, A and C are enough.
    t.resync();
    t.device(1).fail(Op::flush, EIO);
    CHECK(t.flush() == 0);
    CHECK(t.device(2).on_medium(0) == one);
}

TEST_CASE("what the resync copies while a flush is in flight is not flushed by it")
{
    Options options;
    options.threshold = 3;
    TestQuorum t(5, 16 * granule, options);
    t.device(4).fail(Op::write, EIO);
    REQUIRE(t.write({0, 512}, one) == 0);
    REQUIRE(t.child(4).stale().any());
    // B and C fail their flush; E flushes at once, and then gets the copy while
    // A and D are at work.
    t.device(1).fail(Op::flush, EIO);
    t.device(2).fail(Op::flush, EIO);
    t.device(0).hold(Op::flush);
    t.device(3).hold(Op::flush);
    t.clock.after(1ms, [&] {
        REQUIRE(t.device(0).held() == 1);
        // Not to its end, which flushes E.
        while (t.child(4).stale().any()) {
            REQUIRE(t.quorum->work());
        }
        t.device(0).release_all();
        t.device(3).release_all();
    });
    CHECK(t.flush() == EIO);
    CHECK(t.device(4).on_medium(0) != one);
}

TEST_CASE("a flush after a lost link says nothing about what was written before it")
{
    TestQuorum t;
    REQUIRE(t.write({0, 512}, one) == 0);
    Child& child = t.child(0);
    const Child::Flushing flushing = child.flush_begins();
    // The server restarts before the flush is sent; what is sent, the new one gets.
    t.device(0).drop_link();
    t.device(0).forget_unflushed();
    t.device(0).return_link();
    t.settle();
    REQUIRE(child.online());
    CHECK_FALSE(child.flush_succeeded(flushing));
    CHECK(child.stale().any({0, 512}));
}

TEST_CASE("a flush that one child fails makes that child stale, one that hangs does not")
{
    TestQuorum t;
    REQUIRE(t.write({0, 512}, one) == 0);
    t.device(1).fail(Op::flush, EIO);
    t.device(2).hold(Op::flush);
    CHECK(t.flush() == ETIMEDOUT);  // a tie: the error of the last child
    CHECK_FALSE(t.child(1).stale().any());  // as a whole it failed: nobody has more than B
    t.device(2).release_all();
    t.settle();
    t.device(1).fail(Op::flush, EIO);
    CHECK(t.flush() == 0);
    CHECK(t.child(1).stale().any({0, 512}));
    CHECK_FALSE(t.child(2).stale().any());
}
