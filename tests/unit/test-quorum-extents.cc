// SPDX-License-Identifier: BSD-3-Clause

// Block status of several children as one.

#include <catch2/catch.hpp>

#include "filters/quorum/extents.h"

using namespace resilience;
using quorum::merge_extents;

namespace {

constexpr Extent data(std::uint64_t length) { return {length, false, false}; }
constexpr Extent zero(std::uint64_t length) { return {length, false, true}; }
constexpr Extent hole(std::uint64_t length) { return {length, true, true}; }

ExtentList merge(std::vector<ExtentList> lists, std::uint64_t length)
{
    return merge_extents(lists, length);
}

}  // namespace

TEST_CASE("equal lists stay as they are")
{
    const ExtentList list{hole(10), data(20), zero(30)};
    CHECK(merge({list, list, list}, 60) == list);
    CHECK(merge({list}, 60) == list);
}

TEST_CASE("zero is where all say so, a hole where all have none allocated")
{
    CHECK(merge({{hole(60)}, {zero(30), hole(30)}}, 60) == ExtentList{zero(60)});
    CHECK(merge({{zero(60)}, {zero(30), data(30)}}, 60) == ExtentList{zero(30), data(30)});
    CHECK(merge({{hole(10), data(10)}, {data(10), hole(10)}}, 20) == ExtentList{data(20)});
}

TEST_CASE("data is as long as the longest answer that says so")
{
    CHECK(merge({{data(10), zero(50)}, {data(20), zero(40)}}, 60) ==
          ExtentList{data(20), zero(40)});
    CHECK(merge({{data(10), zero(50)}, {zero(60)}}, 60) == ExtentList{data(10), zero(50)});
}

TEST_CASE("what a list does not cover is data, whatever it said last")
{
    CHECK(merge({{zero(10)}, {zero(60)}}, 60) == ExtentList{zero(10), data(50)});
    CHECK(merge({{hole(10)}}, 60) == ExtentList{hole(10), data(50)});
    CHECK(merge({{}, {zero(60)}}, 60) == ExtentList{data(60)});
    CHECK(merge({{data(10)}, {zero(60)}}, 60) == ExtentList{data(60)});
}

TEST_CASE("what a list says beyond the request is cut off")
{
    CHECK(merge({{zero(10), data(100)}, {zero(200)}}, 60) == ExtentList{zero(10), data(50)});
    CHECK(merge({{hole(1ULL << 40)}}, 60) == ExtentList{hole(60)});
    CHECK(merge({{zero(0), zero(60)}, {data(0), zero(60)}}, 60) == ExtentList{zero(60)});
}

TEST_CASE("nothing overflows at the end of the largest device")
{
    constexpr std::uint64_t most = (1ULL << 63) - 1;
    CHECK(merge({{hole(most)}, {hole(most - 1), data(1)}}, most) ==
          ExtentList{hole(most - 1), data(1)});
}
