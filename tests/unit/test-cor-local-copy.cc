// SPDX-License-Identifier: BSD-3-Clause

// The copy and its map on a real file system: what a crash may leave behind, and
// what is found in it.

#include <catch2/catch.hpp>

#include "filters/copy-on-read/local_copy.h"
#include "tests/unit/device_test.h"

using namespace device_test;
using resilience::ClusterState;
using resilience::SetupError;
using namespace resilience::cor;

namespace {

constexpr std::uint64_t cluster = 64 << 10;

/// What is on the disk at one moment, as a crash would leave it.
struct Crash {
    Crash(const TemporaryFolder& folder, const std::string& from, const std::string& to)
        : file(folder / to)
    {
        for (const char* ending : {"", ".map"}) {
            // Holes are part of it.
            REQUIRE(run("cp --sparse=always " + (folder / (from + ending)) + " " + file + ending)
                        .status == 0);
        }
    }
    std::string file;
};

Options options_for(const std::string& file)
{
    Options options;
    options.file = file;
    options.source = "the source";
    return options;
}

Bytes read_bytes(LocalCopy& copy, std::uint64_t offset, std::size_t length)
{
    Bytes bytes(length);
    REQUIRE(copy.read(offset, bytes) == 0);
    return bytes;
}

}  // namespace

TEST_CASE("what is stored and synced is there after a crash, what is not is absent")
{
    TemporaryFolder folder("/var/tmp");
    LocalCopy copy(options_for(folder / "c"), 40 * cluster + 7);
    const Bytes data = pattern(3 * cluster, 1);
    Bytes mixed = data;
    std::fill(mixed.begin() + cluster, mixed.begin() + 2 * cluster, std::byte{0});
    CHECK(copy.store({2, 5}, mixed) == 0);
    CHECK(copy.map().get(2) == ClusterState::data);
    CHECK(copy.map().get(3) == ClusterState::zero);
    CHECK(copy.sync() == 0);
    CHECK(!copy.dirty());
    CHECK(copy.write(10 * cluster, data) == 0);  // not synced
    CHECK(copy.map().get(10) == ClusterState::data);

    const Crash crash(folder, "c", "d");
    LocalCopy again(options_for(crash.file), 40 * cluster + 7);
    CHECK(again.map().get(2) == ClusterState::data);
    CHECK(again.map().get(3) == ClusterState::zero);
    CHECK(again.map().get(10) == ClusterState::absent);
    CHECK(read_bytes(again, 2 * cluster, mixed.size()) == mixed);
    // What the lost write left is gone: the cluster could else become a mixture.
    CHECK(read_bytes(again, 10 * cluster, data.size()) == Bytes(data.size()));
}

TEST_CASE("a cluster that the map calls zero and that has data is data")
{
    TemporaryFolder folder("/var/tmp");
    LocalCopy copy(options_for(folder / "c"), 40 * cluster);
    CHECK(copy.zero(0, 4 * cluster, {.may_trim = true}) == 0);
    CHECK(copy.sync() == 0);
    const Bytes data = pattern(512, 1);
    CHECK(copy.write(cluster + 512, data) == 0);
    CHECK(copy.map().get(1) == ClusterState::data);

    const Crash crash(folder, "c", "d");
    LocalCopy again(options_for(crash.file), 40 * cluster);
    CHECK(again.map().get(0) == ClusterState::zero);
    CHECK(again.map().get(1) == ClusterState::data);
    CHECK(read_bytes(again, cluster + 512, 512) == data);
}

TEST_CASE("a map that is damaged anywhere is refused, and names the place")
{
    TemporaryFolder folder("/var/tmp");
    {
        LocalCopy copy(options_for(folder / "c"), 40 * cluster);
        CHECK(copy.store({0, 1}, pattern(cluster, 1)) == 0);
        CHECK(copy.sync() == 0);
    }
    const Bytes good = content_of(folder / "c.map");
    REQUIRE(good.size() == 4 * 4096);
    for (std::size_t at = 0; at < good.size(); at += 61) {
        Bytes bad = good;
        bad[at] ^= std::byte{4};
        make_file(folder / "c.map", bad);
        CHECK_THROWS_WITH(LocalCopy(options_for(folder / "c"), 40 * cluster),
                          Catch::Contains("is damaged") && Catch::Contains("byte"));
    }
    for (std::size_t length = 0; length < good.size(); length += 509) {
        make_file(folder / "c.map", Bytes(good.begin(), good.begin() + static_cast<long>(length)));
        CHECK_THROWS_WITH(LocalCopy(options_for(folder / "c"), 40 * cluster),
                          Catch::Contains("is damaged"));
    }
    make_file(folder / "c.map", good);
    LocalCopy copy(options_for(folder / "c"), 40 * cluster);
    CHECK(copy.map().get(0) == ClusterState::data);
}

TEST_CASE("the slots of a page are written in turn, and the last one is found")
{
    TemporaryFolder folder("/var/tmp");
    for (std::uint64_t round = 0; round < 7; round++) {
        LocalCopy copy(options_for(folder / "c"), 40 * cluster);
        CHECK(copy.map().clusters() - copy.map().absent_clusters() == round * 2);
        for (const std::uint64_t i : {round * 2, round * 2 + 1}) {
            CHECK(copy.store({i, i + 1}, pattern(cluster, static_cast<unsigned>(i))) == 0);
            CHECK(copy.sync() == 0);
        }
    }
}

TEST_CASE("header notes are kept")
{
    TemporaryFolder folder("/var/tmp");
    {
        LocalCopy copy(options_for(folder / "c"), cluster + 1);
        CHECK(!copy.header().fingerprint);
        CHECK(copy.set_fingerprint(12) == 0);
        CHECK(copy.set_complete() == 0);
    }
    LocalCopy copy(options_for(folder / "c"), cluster + 1);
    CHECK(copy.header().fingerprint == 12U);
    CHECK(copy.header().complete);
    CHECK_THROWS_WITH(LocalCopy(options_for(folder / "c"), cluster + 1), Catch::Contains("in use"));
}
