// SPDX-License-Identifier: BSD-3-Clause

// Reads that are compared piece by piece: the exact bookkeeping when a piece
// differs, fails, or would have to wait.

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

constexpr std::size_t piece = 64 << 10;
constexpr std::uint64_t length = 4 * piece;

/// Three voters in the page cache, each with the same pattern.
struct Voters : TestQuorum {
    Voters() : TestQuorum(3, 8 * piece)
    {
        for (const auto& device : devices) {
            device->set_immediate(true);
            for (std::uint64_t at = 0; at < size; at += 512) {
                device->fill({at, at + 512}, std::byte(at / 512 % 251));
            }
        }
    }
    int reads(std::size_t i) { return device(i).count(Op::read); }
};

}  // namespace

TEST_CASE("all agree: each piece is read once from each, into the client's memory")
{
    Voters v;
    const auto [error, data] = v.read({0, length});
    CHECK(error == 0);
    CHECK(std::equal(data.begin(), data.end(), v.device(0).content().begin()));
    for (std::size_t i = 0; i < 3; i++) {
        CHECK(v.reads(i) == 4);
        CHECK(v.child(i).counters.reads == 1);
    }
    CHECK(v.notes.lines().empty());
}

TEST_CASE("a difference in any piece, of any voter, is the one that is reported")
{
    const std::size_t liar = GENERATE(0, 1, 2);
    const std::size_t at = GENERATE(0, 1, 3);
    Voters v;
    const std::vector<std::byte> right = v.device(0).content();
    // It reads wrongly once: asked again it would be right.
    v.device(liar).misread(at * piece + 1000, std::byte{8});
    const auto [error, data] = v.read({0, length});
    CHECK(error == 0);
    CHECK(std::equal(data.begin(), data.end(), right.begin()));
    CHECK(v.notes.lines() ==
          std::vector{"bad children." + std::to_string(liar) + " read at " +
                      std::to_string(at * piece + 1000)});
    for (std::size_t i = 0; i < 3; i++) {
        CHECK(v.child(i).counters.mismatches == (i == liar));
        CHECK(v.child(i).counters.differing_sectors == (i == liar));
        CHECK(v.child(i).counters.reads == 1);
        CHECK(v.child(i).counters.read_errors == 0);
        // No byte twice: the pieces up to here, and the rest in one request.
        CHECK(v.reads(i) <= static_cast<int>(at) + 2);
    }
}

TEST_CASE("an error in any piece fails that voter, and is counted once")
{
    const std::size_t bad = GENERATE(0, 1, 2);
    const std::size_t at = GENERATE(0, 2);
    Voters v;
    v.device(bad).fail(Op::read, EIO, 1, {at * piece, at * piece + 1});
    const auto [error, data] = v.read({0, length});
    CHECK(error == 0);
    CHECK(std::equal(data.begin(), data.end(), v.device(0).content().begin()));
    CHECK(v.notes.lines() == std::vector{"bad children." + std::to_string(bad) + " read 5"});
    CHECK(v.child(bad).counters.read_errors == 1);
    CHECK(v.reads(bad) == static_cast<int>(at) + 1);  // it is not asked again
    CHECK(v.child(bad).counters.mismatches == 0);
}

TEST_CASE("a voter that would have to wait is asked for the rest alone")
{
    const std::size_t slow = GENERATE(0, 1, 2);
    const std::size_t at = GENERATE(0, 2);
    Voters v;
    v.device(slow).would_block({at * piece, at * piece + 1}, 2);
    const auto [error, data] = v.read({0, length});
    CHECK(error == 0);
    CHECK(std::equal(data.begin(), data.end(), v.device(0).content().begin()));
    CHECK(v.notes.lines().empty());
    CHECK(v.reads(slow) == static_cast<int>(at) + 1);
    for (std::size_t i = 0; i < 3; i++) {
        CHECK(v.child(i).counters.reads == 1);
        CHECK(v.child(i).in_flight() == 0);
    }
}

TEST_CASE("three versions are no quorum, and nobody is accused")
{
    Voters v;
    v.device(1).flip(2 * piece, std::byte{1});
    v.device(2).flip(2 * piece, std::byte{2});
    CHECK(v.read({0, length}).first == EIO);
    CHECK(v.notes.lines() == std::vector<std::string>{"failure 0"});
}
