// SPDX-License-Identifier: BSD-3-Clause

// A set of byte ranges, against a set of bytes.

#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "common/core/interval_set.h"

using namespace resilience;

namespace {

using Ranges = std::vector<ByteRange>;

}  // namespace

TEST_CASE("ranges that overlap or touch are one")
{
    IntervalSet set(1000);
    CHECK(set.empty());
    set.add({10, 20});
    set.add({30, 40});
    CHECK(set.ranges() == Ranges{{10, 20}, {30, 40}});
    set.add({20, 25});
    CHECK(set.ranges() == Ranges{{10, 25}, {30, 40}});
    set.add({25, 30});
    CHECK(set.ranges() == Ranges{{10, 40}});
    set.add({0, 1000});
    CHECK(set.ranges() == Ranges{{0, 1000}});
    CHECK(set.bytes() == 1000);
}

TEST_CASE("a removal cuts to the byte")
{
    IntervalSet set(1000);
    set.add({0, 100});
    set.remove({40, 60});
    CHECK(set.ranges() == Ranges{{0, 40}, {60, 100}});
    CHECK(set.bytes() == 80);
    CHECK(set.overlaps({39, 41}));
    CHECK_FALSE(set.overlaps({40, 60}));
    CHECK(set.overlaps({0, 1000}));
    CHECK_FALSE(set.overlaps({50, 50}));
    set.remove({0, 1000});
    CHECK(set.empty());
    CHECK(set.bytes() == 0);
}

TEST_CASE("gaps are what is not in the set")
{
    IntervalSet set(1000);
    CHECK(set.gaps({5, 10}) == Ranges{{5, 10}});
    set.add({10, 20});
    set.add({30, 40});
    CHECK(set.gaps({0, 50}) == Ranges{{0, 10}, {20, 30}, {40, 50}});
    CHECK(set.gaps({15, 35}) == Ranges{{20, 30}});
    CHECK(set.gaps({12, 18}).empty());
    CHECK(set.gaps({20, 30}) == Ranges{{20, 30}});
    CHECK(set.gaps({7, 7}).empty());
}

TEST_CASE("the device has an end, and a range may be empty")
{
    IntervalSet set(100);
    set.add({90, 200});
    set.add({5, 5});
    set.add({300, 400});
    CHECK(set.ranges() == Ranges{{90, 100}});
    set.remove({95, 95});
    CHECK(set.bytes() == 10);
}

TEST_CASE("any sequence does what a set of bytes does")
{
    std::mt19937 random(7);
    IntervalSet set(256);
    std::vector<bool> bytes(256);
    for (int step = 0; step < 20000; step++) {
        const std::uint64_t begin = random() % 256;
        const ByteRange range{begin, begin + random() % (257 - begin)};
        const bool adds = random() % 2 == 0;
        adds ? set.add(range) : set.remove(range);
        for (std::uint64_t i = range.begin; i < range.end; i++) {
            bytes[i] = adds;
        }
        std::uint64_t count = 0;
        for (std::uint64_t i = 0; i < 256; i++) {
            count += bytes[i];
        }
        REQUIRE(set.bytes() == count);
        const std::uint64_t at = random() % 256;
        REQUIRE(set.overlaps({at, at + 1}) == bytes[at]);
        std::vector<bool> rebuilt(256, true);
        for (const ByteRange gap : set.gaps({0, 256})) {
            for (std::uint64_t i = gap.begin; i < gap.end; i++) {
                rebuilt[i] = false;
            }
        }
        REQUIRE(rebuilt == bytes);
    }
}

TEST_CASE("too many ranges are joined, and none is lost")
{
    IntervalSet set(1 << 20, 16);
    std::vector<ByteRange> added;
    std::mt19937 random(3);
    for (int i = 0; i < 1000; i++) {
        const std::uint64_t begin = random() % (1 << 20);
        added.push_back({begin, begin + 1});
        set.add(added.back());
        REQUIRE(set.ranges().size() <= 16);
    }
    std::uint64_t sum = 0;
    for (const ByteRange range : set.ranges()) {
        sum += range.length();
    }
    CHECK(sum == set.bytes());
    for (const ByteRange range : added) {
        CHECK(set.gaps(range).empty());
    }
}

TEST_CASE("the nearest ranges are joined, and no more than needed")
{
    IntervalSet set(1000, 4);
    for (const std::uint64_t begin : {0, 100, 200, 300, 400}) {
        set.add({begin, begin + 10});  // the fifth is one too many; all are equally near
    }
    CHECK(set.ranges() == Ranges{{0, 310}, {400, 410}});
}
