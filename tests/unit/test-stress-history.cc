// SPDX-License-Identifier: BSD-3-Clause
//
// The judge of the stress test (tests/clients/history.h) against histories whose
// verdict is known.
#include <catch2/catch.hpp>

#include "tests/clients/history.h"

using resilience::test::never;
using resilience::test::SectorHistory;

namespace {

bool is_right(const SectorHistory& history)
{
    return !history.violation();
}

}  // namespace

TEST_CASE("history: what a disk does")
{
    SectorHistory history;
    history.read(0, 1, 2);
    history.wrote(1, 3, 4);
    history.read(1, 5, 6);
    history.wrote(2, 7, 10);
    SECTION("a read during a write sees the old data") { history.read(1, 8, 9); }
    SECTION("or the new") { history.read(2, 8, 9); }
    history.read(2, 11, 12);
    history.wrote(0, 13, 14);
    history.read(0, 15, 16);
    CHECK(is_right(history));
}

TEST_CASE("history: writes at the same time happen in either order, but in one")
{
    SectorHistory history;
    history.wrote(1, 1, 10);
    history.wrote(2, 2, 9);
    history.read(1, 11, 12);
    CHECK(is_right(history));
    SECTION("for good")
    {
        history.read(1, 13, 14);
        CHECK(is_right(history));
    }
    SECTION("and not the other one afterwards")
    {
        history.read(2, 13, 14);
        CHECK_FALSE(is_right(history));
    }
}

TEST_CASE("history: an old value after a newer one has been seen or acknowledged")
{
    SectorHistory history;
    history.wrote(1, 1, 2);
    SECTION("acknowledged")
    {
        history.wrote(2, 3, 4);
        history.read(1, 5, 6);
    }
    SECTION("seen, though its write had not ended")
    {
        history.wrote(2, 3, 100);
        history.read(2, 5, 6);
        history.read(1, 7, 8);
    }
    SECTION("zeroes")
    {
        history.wrote(0, 3, 4);
        history.read(1, 5, 6);
    }
    SECTION("back and forth")
    {
        history.wrote(2, 3, 100);
        history.read(1, 5, 6);
        history.read(2, 7, 8);
        history.read(1, 9, 10);
    }
    CHECK_FALSE(is_right(history));
}

TEST_CASE("history: zeroes that nobody wrote, or that were overwritten")
{
    SectorHistory history;
    history.wrote(1, 1, 2);
    SECTION("the first ones")
    {
        history.read(0, 3, 4);
        CHECK_FALSE(is_right(history));
    }
    SECTION("written later")
    {
        history.read(0, 3, 4);
        history.wrote(0, 5, 6);
        CHECK_FALSE(is_right(history));
    }
    SECTION("written, seen as overwritten, and seen again")
    {
        history.wrote(0, 3, 4);
        history.wrote(2, 5, 20);
        history.read(2, 6, 7);
        history.read(0, 8, 9);
        CHECK_FALSE(is_right(history));
    }
    SECTION("written at the same time")
    {
        history.wrote(0, 3, 10);
        history.read(0, 4, 5);
        history.read(0, 6, 7);
        CHECK(is_right(history));
    }
}

TEST_CASE("history: from nowhere")
{
    SectorHistory history;
    SECTION("a write that was never sent") { history.read(7, 1, 2); }
    SECTION("one that was sent later")
    {
        history.read(7, 1, 2);
        history.wrote(7, 3, 4);
    }
    CHECK_FALSE(is_right(history));
}

TEST_CASE("history: a write that failed may happen late, once, or never")
{
    SectorHistory history;
    history.wrote(1, 1, 2);
    history.wrote(2, 3, never);
    history.read(1, 5, 6);
    CHECK(is_right(history));
    history.read(2, 7, 8);
    CHECK(is_right(history));
    SECTION("but does not go away again")
    {
        history.read(1, 9, 10);
        CHECK_FALSE(is_right(history));
    }
    SECTION("nor come back")
    {
        history.wrote(3, 9, 10);
        history.read(3, 11, 12);
        history.read(2, 13, 14);
        CHECK_FALSE(is_right(history));
    }
    SECTION("a zeroing that failed")
    {
        history.wrote(0, 9, never);
        history.read(2, 11, 12);
        history.read(0, 13, 14);
        CHECK(is_right(history));
        history.read(2, 15, 16);
        CHECK_FALSE(is_right(history));
    }
}
