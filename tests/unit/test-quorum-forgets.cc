// SPDX-License-Identifier: BSD-3-Clause

// What the simulation (tests/sim) has found: children that may have forgotten
// something although no flush failed in time and no write was acknowledged, and
// reads across granules.

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

TEST_CASE("a child whose flush fails at the end of its resync is copied again")
{
    TestQuorum t;
    t.child(0).missed({0, granule});
    t.device(0).fail(Op::flush, EIO);
    t.resync();
    CHECK(t.child(0).stale().any());
    t.clock.advance(2s);
    t.resync();
    CHECK_FALSE(t.child(0).stale().any());
}

TEST_CASE("a flush that fails after its deadline makes stale what it was to flush")
{
    TestQuorum t;
    REQUIRE(t.write({0, 512}, std::byte{1}) == 0);
    t.device(0).hold(Op::flush);
    CHECK(t.flush() == 0);
    CHECK_FALSE(t.child(0).stale().any());
    t.device(0).fail(Op::flush, EIO);
    t.device(0).release_all();
    CHECK(t.child(0).stale().any({0, 512}));
}

TEST_CASE("a flush that fails drops also what a later one was to flush")
{
    // The child fails flush b, and does then a, which has nothing left to do.
    // We hear of a first.
    TestQuorum t;
    REQUIRE(t.write({0, 512}, std::byte{1}) == 0);
    Child& child = t.child(0);
    const Child::Flushing a = child.flush_begins();
    const Child::Flushing b = child.flush_begins();
    CHECK(child.flush_succeeded(a));
    child.flush_failed(b, true);
    CHECK(child.stale().any({0, 512}));
}

TEST_CASE("a flush that fails drops writes that are noted during it, and after it")
{
    TestQuorum t;
    Child& child = t.child(0);
    const std::uint64_t epoch = child.epoch();
    const Child::Flushing flushing = child.flush_begins();
    child.wrote({0, 512}, epoch, false);
    child.flush_failed(flushing, true);
    child.wrote({granule, granule + 512}, epoch, false);
    CHECK(child.stale().any({0, 512}));
    CHECK(child.stale().any({granule, granule + 512}));
}

TEST_CASE("what a failed write left behind, late, is not forgotten unnoticed")
{
    TestQuorum t;
    t.device(0).hold(Op::write);
    t.device(1).fail(Op::write, EIO);
    t.device(2).fail(Op::write, EIO);
    CHECK(t.write({0, 512}, std::byte{1}) != 0);
    t.device(0).release_all();
    t.settle();
    REQUIRE(t.device(0).at(0) == std::byte{1});
    REQUIRE_FALSE(t.child(0).stale().any());

    t.device(0).drop_link();
    t.device(0).forget_unflushed();
    t.device(0).return_link();
    t.quorum->housekeep();
    CHECK(t.child(0).stale().any({0, 512}));
}

TEST_CASE("a read across granules needs enough current children in each, not in all")
{
    TestQuorum t;
    REQUIRE(t.write({granule - 512, granule + 512}, std::byte{7}) == 0);
    t.child(0).missed({0, granule});
    t.child(1).missed({granule, 2 * granule});
    const auto [error, data] = t.read({granule - 512, granule + 512});
    CHECK(error == 0);
    CHECK(data == std::vector<std::byte>(1024, std::byte{7}));
    CHECK(t.notes.count("failure " + std::to_string(granule - 512)) == 0);

    // The parts are asked for in vain too: one failure, of what was asked for.
    t.child(2).missed({0, granule});
    t.device(2).fill({0, granule}, std::byte{8});
    t.device(0).fill({0, granule}, std::byte{9});
    CHECK(t.read({granule - 512, granule + 512}).first == EIO);
    CHECK(t.notes.count("failure " + std::to_string(granule - 512)) == 1);
}

TEST_CASE("a read across granules is voted on in parts if that helps")
{
    TestQuorum t;
    t.device(0).flip(granule - 1, std::byte{1});
    t.device(1).flip(granule, std::byte{1});
    const auto [error, data] = t.read({granule - 512, granule + 512});
    CHECK(error == 0);
    CHECK(data == std::vector<std::byte>(1024));
}
