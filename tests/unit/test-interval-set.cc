// SPDX-License-Identifier: BSD-3-Clause
//
// The interval set against a std::set of granules.  Until it has to coarsen it
// covers exactly what was added, rounded outwards; after that, what was added
// rounded to a multiple 2^n of the granularity, never less.
#include "common/core/interval_set.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <vector>

#include "tests/unit/seed.h"

using resilience::ByteRange;
using resilience::IntervalSet;
using resilience::test::Random;

namespace {

std::vector<ByteRange> intervals_of(const IntervalSet& set)
{
    std::vector<ByteRange> list;
    set.for_each([&](ByteRange range) { list.push_back(range); });
    return list;
}

using Granules = std::set<std::uint64_t>;

/// The granules of `granularity` bytes that `range` touches.
void mark(Granules& granules, ByteRange range, std::uint64_t granularity)
{
    for (std::uint64_t at = range.begin / granularity; at * granularity < range.end; at++) {
        granules.insert(at);
    }
}

Granules granules_of(const std::vector<ByteRange>& ranges, std::uint64_t granularity)
{
    Granules granules;
    for (const ByteRange& range : ranges) {
        if (!range.empty()) {
            mark(granules, range, granularity);
        }
    }
    return granules;
}

/// The ranges that `granules` make, neighbours joined.
std::vector<ByteRange> joined(const Granules& granules, std::uint64_t granularity)
{
    std::vector<ByteRange> list;
    for (const std::uint64_t granule : granules) {
        if (!list.empty() && list.back().end == granule * granularity) {
            list.back().end += granularity;
        } else {
            list.push_back({granule * granularity, (granule + 1) * granularity});
        }
    }
    return list;
}

/// Ascending, not empty, neither overlapping nor touching.
bool well_formed(const std::vector<ByteRange>& list)
{
    for (std::size_t i = 0; i < list.size(); i++) {
        if (list[i].empty() || (i > 0 && list[i].begin <= list[i - 1].end)) {
            return false;
        }
    }
    return true;
}

bool covers(const IntervalSet& set, ByteRange range)
{
    bool covered = range.empty();
    set.for_each([&](ByteRange interval) {
        covered = covered || (interval.begin <= range.begin && range.end <= interval.end);
    });
    return covered;
}

bool overlaps_any(const std::vector<ByteRange>& list, ByteRange range)
{
    return std::any_of(list.begin(), list.end(), [&](ByteRange interval) {
        return std::max(interval.begin, range.begin) < std::min(interval.end, range.end);
    });
}

ByteRange random_range(Random& random, std::uint64_t space)
{
    const std::uint64_t begin = random.between(0, space);
    return {begin, begin + (random.one_in(10) ? 0 : random.between(0, space / 50))};
}

}  // namespace

TEST_CASE("interval set: a new one is empty", "[interval-set]")
{
    const IntervalSet set(512);
    CHECK(set.empty());
    CHECK(set.size() == 0);
    CHECK_FALSE(set.overlaps({0, ~std::uint64_t{0}}));
    CHECK(intervals_of(set).empty());
}

TEST_CASE("interval set: ranges are rounded outwards", "[interval-set]")
{
    IntervalSet set(512);
    set.add({600, 601});
    CHECK(intervals_of(set) == std::vector<ByteRange>{{512, 1024}});
    set.add({2047, 2049});
    CHECK(intervals_of(set) == std::vector<ByteRange>{{512, 1024}, {1536, 2560}});
}

TEST_CASE("interval set: empty and inside-out ranges add nothing", "[interval-set]")
{
    IntervalSet set(512);
    set.add({600, 600});
    set.add({600, 100});
    CHECK(set.empty());
}

TEST_CASE("interval set: ranges that overlap or touch become one", "[interval-set]")
{
    IntervalSet set(1);
    set.add({10, 20});
    set.add({30, 40});
    set.add({50, 60});
    CHECK(set.size() == 3);
    SECTION("touching on the left") { set.add({20, 25}); CHECK(set.size() == 3); }
    SECTION("touching on the right") { set.add({25, 30}); CHECK(set.size() == 3); }
    SECTION("filling a gap") { set.add({20, 30}); CHECK(set.size() == 2); }
    SECTION("inside another") { set.add({32, 35}); CHECK(set.size() == 3); }
    SECTION("the same again") { set.add({30, 40}); CHECK(set.size() == 3); }
    SECTION("swallowing all") { set.add({5, 100}); CHECK(set.size() == 1); }
    SECTION("from inside the first to inside the last") {
        set.add({15, 55});
        CHECK(intervals_of(set) == std::vector<ByteRange>{{10, 60}});
    }
}

TEST_CASE("interval set: overlaps looks at bytes, not at neighbours", "[interval-set]")
{
    IntervalSet set(1);
    set.add({10, 20});
    CHECK(set.overlaps({10, 11}));
    CHECK(set.overlaps({19, 20}));
    CHECK(set.overlaps({0, 100}));
    CHECK_FALSE(set.overlaps({0, 10}));
    CHECK_FALSE(set.overlaps({20, 30}));
    CHECK_FALSE(set.overlaps({15, 15}));  // an empty range overlaps nothing
    CHECK_FALSE(set.overlaps({10, 10}));
    CHECK_FALSE(set.overlaps({19, 11}));
}

TEST_CASE("interval set: too many intervals make it coarser, clear() fine again",
          "[interval-set]")
{
    IntervalSet set(512, 2);
    set.add({0, 1});
    set.add({4096, 4097});
    CHECK(intervals_of(set) == std::vector<ByteRange>{{0, 512}, {4096, 4608}});
    set.add({8192, 8193});  // 512 -> 4096, at which the first two touch
    CHECK(intervals_of(set) == std::vector<ByteRange>{{0, 12288}});
    set.add({40960, 40961});  // still coarse
    CHECK(intervals_of(set) == std::vector<ByteRange>{{0, 12288}, {40960, 45056}});
    set.clear();
    CHECK(set.empty());
    set.add({40960, 40961});
    CHECK(intervals_of(set) == std::vector<ByteRange>{{40960, 41472}});
}

TEST_CASE("interval set: one interval at most", "[interval-set]")
{
    IntervalSet set(512, 1);
    set.add({0, 1});
    set.add({std::uint64_t{1} << 50, (std::uint64_t{1} << 50) + 1});
    CHECK(set.size() == 1);
    CHECK(covers(set, {0, (std::uint64_t{1} << 50) + 1}));
}

TEST_CASE("interval set: merge covers both, each set keeps its own bound", "[interval-set]")
{
    IntervalSet fine(512, 100);
    IntervalSet coarse(512, 2);
    for (std::uint64_t at = 0; at < 50; at++) {
        fine.add({at * 10000, at * 10000 + 1});
    }
    coarse.add({3000000, 3000001});
    coarse.merge(fine);
    CHECK(coarse.size() <= 2);
    fine.for_each([&](ByteRange range) { CHECK(covers(coarse, range)); });
    CHECK(covers(coarse, {3000000, 3000001}));
    CHECK(fine.size() == 50);

    fine.clear();
    fine.merge(coarse);
    CHECK(intervals_of(fine) == intervals_of(coarse));
}

TEST_CASE("interval set: random ranges against a set of granules", "[interval-set][random]")
{
    Random random;
    for (int world = 0; world < 60; world++) {
        const std::uint64_t granularity = random.between(1, 64);
        const std::uint64_t space = random.between(1000, 20000);
        IntervalSet set(granularity, 100000);
        Granules granules;
        for (int step = 0; step < 60; step++) {
            const ByteRange range = random_range(random, space);
            set.add(range);
            if (!range.empty()) {
                mark(granules, range, granularity);
            }
            const ByteRange asked = random_range(random, space);
            const std::vector<ByteRange> list = intervals_of(set);
            if (list != joined(granules, granularity) || !well_formed(list) ||
                set.size() != list.size() || set.empty() != list.empty() ||
                set.overlaps(asked) != overlaps_any(list, asked)) {
                FAIL("SEED=" << resilience::test::seed() << " world " << world << " step " << step);
            }
        }
    }
}

TEST_CASE("interval set: in bounded memory it covers more, never less", "[interval-set][random]")
{
    Random random;
    for (int world = 0; world < 60; world++) {
        const std::uint64_t granularity = random.between(1, 16);
        const std::uint64_t space = random.between(1000, 100000);
        const std::size_t bound = random.between(1, 20);
        IntervalSet set(granularity, bound);
        std::vector<ByteRange> added;
        std::uint64_t coarse = granularity;
        for (int step = 0; step < 60; step++) {
            if (random.one_in(40)) {
                set.clear();
                added.clear();
                coarse = granularity;
            }
            added.push_back(random_range(random, space));
            set.add(added.back());
            // The coarseness never falls, and is never more than was needed.
            while (intervals_of(set) != joined(granules_of(added, coarse), coarse) &&
                   coarse < 4 * space) {
                REQUIRE(joined(granules_of(added, coarse), coarse).size() > bound);
                coarse *= 2;
            }
            const bool covered = std::all_of(added.begin(), added.end(),
                                             [&](ByteRange range) { return covers(set, range); });
            if (coarse >= 4 * space || !covered || set.size() > bound ||
                !well_formed(intervals_of(set))) {
                FAIL("SEED=" << resilience::test::seed() << " world " << world << " step " << step);
            }
        }
    }
}
