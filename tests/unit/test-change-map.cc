// SPDX-License-Identifier: BSD-3-Clause

// The bitmap that survives: what was set before the process died is set after
// it, what was set when the power went is in a group that is dirty, what is
// damaged is an error, each byte of it.

#include <catch2/catch.hpp>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/store/change_map.h"
#include "common/store/durable_file.h"
#include "tests/unit/device_test.h"

using namespace resilience;
using device_test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t granule = 64 << 10;
constexpr std::uint64_t group = granule * 64 * changemap::words_per_group;
constexpr std::uint64_t disk = 3 * changemap::granules_per_sector * granule + 5;
constexpr changemap::Uuid this_boot{std::byte{1}};
constexpr changemap::Uuid next_boot{std::byte{2}};

std::unique_ptr<ChangeMap> open_map(const std::string& path,
                                    const changemap::Uuid& boot = this_boot,
                                    std::uint64_t size = disk)
{
    return ChangeMap::open(path, size, granule, boot);
}

/// The file as it is while the map is open: what a killed process leaves.
void snapshot(const std::string& from, const std::string& to)
{
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
}

std::string open_error(const std::string& path, std::uint64_t size = disk)
{
    try {
        open_map(path, this_boot, size);
    } catch (const SetupError& error) {
        return error.what();
    }
    return {};
}

}  // namespace

TEST_CASE("a new map says that everything is dirty")
{
    const TemporaryFolder folder("/tmp");
    const auto map = open_map(folder / "map");
    CHECK_FALSE(map->existed());
    CHECK(map->bits().marked_bytes() == disk);
    CHECK(map->pair() == changemap::Uuid{});
    CHECK(ChangeMap(disk, granule).bits().marked_bytes() == disk);
}

TEST_CASE("what was set and cleared is there after a close")
{
    const TemporaryFolder folder("/tmp");
    {
        const auto map = open_map(folder / "map");
        map->clear({0, disk});
        REQUIRE(map->set({granule, granule + 1}) == 0);
        REQUIRE(map->set({disk - 1, disk}) == 0);
        REQUIRE(map->set_base(next_boot, 77) == 0);
    }
    const auto map = open_map(folder / "map", next_boot);
    CHECK(map->existed());
    CHECK_FALSE(map->recovered());
    CHECK(map->bits().marked_bytes() == granule + 5);
    CHECK(map->bits().any({granule, 2 * granule}));
    CHECK(map->pair() == next_boot);
    CHECK(map->checkpoint() == 77);
}

TEST_CASE("a bit is in the file when set() returns")
{
    const TemporaryFolder folder("/tmp");
    const auto map = open_map(folder / "map");
    map->clear({0, disk});
    REQUIRE(map->settle() == 0);
    for (const std::uint64_t at : {std::uint64_t{0}, granule * 63, group, 2 * group + 7, disk - 1}) {
        REQUIRE(map->set({at, at + 1}) == 0);
        snapshot(folder / "map", folder / "killed");
        const auto killed = open_map(folder / "killed");
        CHECK_FALSE(killed->recovered());
        CHECK(killed->bits().any({at, at + 1}));
        CHECK(killed->bits().marked_bytes() == map->bits().marked_bytes());
    }
}

TEST_CASE("after a power loss open groups are dirty as a whole, and no others")
{
    const TemporaryFolder folder("/tmp");
    const auto map = open_map(folder / "map");
    map->clear({0, disk});
    REQUIRE(map->settle() == 0);
    REQUIRE(map->set({group + 3, group + 4}) == 0);
    snapshot(folder / "map", folder / "lost");
    const auto lost = open_map(folder / "lost", next_boot);
    CHECK(lost->recovered());
    CHECK(lost->bits().marked_bytes() == group);
    CHECK(lost->bits().any({group, group + 1}));
}

TEST_CASE("a group that nobody writes to is closed, and opened again when it is")
{
    const TemporaryFolder folder("/tmp");
    const auto map = open_map(folder / "map");
    map->clear({0, disk});
    REQUIRE(map->set({0, 1}) == 0);
    const auto dirty_after_power_loss = [&] {
        snapshot(folder / "map", folder / "lost");
        return open_map(folder / "lost", next_boot)->bits().marked_bytes();
    };
    REQUIRE(map->settle() == 0);
    CHECK(dirty_after_power_loss() == group);  // it was written to just now
    REQUIRE(map->settle() == 0);
    REQUIRE(map->settle() == 0);
    CHECK(dirty_after_power_loss() == granule);
    REQUIRE(map->set({granule, granule + 1}) == 0);
    CHECK(dirty_after_power_loss() == group);
}

TEST_CASE("retain keeps what is marked elsewhere")
{
    ChangeMap map(disk, granule);
    DirtyBitmap since(disk, granule);
    since.set({5 * granule, 7 * granule});
    since.set({disk - 1, disk});
    map.retain(since);
    CHECK(map.bits().marked_bytes() == 2 * granule + 5);
    CHECK(map.bits().any({6 * granule, 6 * granule + 1}));
}

TEST_CASE("many threads set bits of one sector, and none is lost")
{
    const TemporaryFolder folder("/tmp");
    const auto map = open_map(folder / "map");
    map->clear({0, disk});
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; t++) {
        threads.emplace_back([&, t] {
            for (std::uint64_t g = t; g < 2000; g += 4) {
                CHECK(map->set({g * granule, g * granule + 1}) == 0);
                if (g % 100 == 0) {
                    CHECK(map->settle() == 0);
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    snapshot(folder / "map", folder / "killed");
    CHECK(open_map(folder / "killed")->bits().marked_bytes() == 2000 * granule);
}

TEST_CASE("every byte that is changed is noticed")
{
    const TemporaryFolder folder("/tmp");
    constexpr std::uint64_t small = 10 * granule;
    open_map(folder / "map", this_boot, small).reset();
    const auto good = read_whole_file(folder / "map", 1 << 20);
    REQUIRE(good);
    CHECK(good->size() == 3 * changemap::sector_bytes);
    for (std::size_t i = 0; i < good->size(); i++) {
        auto bad = *good;
        bad[i] ^= std::byte{0x10};
        REQUIRE(replace_file(folder / "bad", bad) == 0);
        const std::string error = open_error(folder / "bad", small);
        INFO("byte " << i);
        CHECK(error.find("is damaged") != std::string::npos);
    }
    for (const std::size_t length : {std::size_t{0}, std::size_t{600}, good->size() - 1}) {
        REQUIRE(replace_file(folder / "bad", std::span(*good).first(length)) == 0);
        CHECK(open_error(folder / "bad", small).find("is damaged") != std::string::npos);
    }
}

TEST_CASE("a map of another disk, in use, or in no place is refused")
{
    const TemporaryFolder folder("/tmp");
    const auto map = open_map(folder / "map");
    CHECK(open_error(folder / "map").find("in use") != std::string::npos);
    REQUIRE(map->close() == 0);
    CHECK(map->set({0, 1}) == 0);  // everything is set already
    map->clear({0, disk});
    CHECK(map->set({0, 1}) == ESHUTDOWN);
    snapshot(folder / "map", folder / "other");
    CHECK(open_error(folder / "other", disk + 512).find("of a disk of") != std::string::npos);
    CHECK(open_error(folder / "none/map").find("cannot be made") != std::string::npos);
}
