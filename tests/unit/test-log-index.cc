// SPDX-License-Identifier: BSD-3-Clause
//
// Walking through logs, whole ones and broken ones, and the index beside them.
#include "common/replay/log_index.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <filesystem>
#include <set>
#include <string>

#include "common/format/little_endian.h"
#include "common/replay/index_file.h"
#include "tests/unit/device_test.h"
#include "tests/unit/log_builder.h"
#include "tests/unit/seed.h"

using namespace log_test;
using device_test::TemporaryFolder;
using Catch::Matchers::Contains;

namespace {

class Folder {
public:
    LogFile log(const Bytes& bytes)
    {
        write_file(path(), bytes);
        return LogFile(path());
    }
    std::string path() const { return folder_ / "disk.log"; }

private:
    TemporaryFolder folder_{"/tmp"};
};

/// A mark, a write, a flush, a FUA write, a discard, a zero, a write.
LogBuilder& fill(LogBuilder& log)
{
    return log.mark("mkfs").write(8, 2, 'a').flush().write(0, 1, 'b', flag_fua).discard(4, 2)
        .zero(16, 4).write(1, 1, 'c');
}

std::vector<std::uint64_t> positions(const LogIndex& index)
{
    std::vector<std::uint64_t> result;
    for (const Record& record : index.records()) {
        result.push_back(record.position);
    }
    return result;
}

}  // namespace

TEST_CASE("a walk finds each entry, with and without extensions")
{
    Folder folder;
    for (const bool extended : {false, true}) {
        LogBuilder builder;
        if (extended) {
            builder.extended();
        }
        const LogFile log = folder.log(fill(builder).bytes());
        const LogIndex index = LogIndex::scan(log);
        CHECK_FALSE(index.damage());
        CHECK(positions(index) ==
              std::vector<std::uint64_t>{512, 1024, 2560, 3072, 4096, 4608, 7168});
        CHECK(index.flushes() == std::vector<std::uint64_t>{2});
        CHECK(index.fuas() == std::vector<std::uint64_t>{3});
        REQUIRE(index.marks().size() == 1);
        CHECK(index.marks()[0].name == "mkfs");
        CHECK(index.end_position() == log.size());
        CHECK(index.reach() == 20 * 512);
        CHECK(index[5].is_zero() == extended);
        CHECK(index[1].extended == (extended ? 1 : 0));
    }
}

TEST_CASE("epochs lie between flushes; a flush with data begins one")
{
    Folder folder;
    const LogFile log = folder.log(
        LogBuilder().write(0, 1, 'a').flush().write(1, 1, 'b').write(2, 1, 'c', flag_flush).flush()
            .bytes());
    const LogIndex index = LogIndex::scan(log);
    CHECK(index.epochs() == 4);
    std::vector<std::uint64_t> epochs;
    for (std::uint64_t entry = 0; entry < index.size(); entry++) {
        epochs.push_back(index.epoch_of(entry));
        CHECK(index.epoch_begin(epochs.back()) <= entry);
        CHECK(entry < index.epoch_end(epochs.back()));
    }
    CHECK(epochs == std::vector<std::uint64_t>{0, 0, 1, 2, 2});
    CHECK(index.epoch_begin(3) == 5);
    CHECK(index.epoch_end(3) == 5);
}

TEST_CASE("an unaligned write changes its own bytes only")
{
    Folder folder;
    const LogFile log = folder.log(
        LogBuilder().extended().write_part(2, Bytes(1024), 1100, 300).bytes());
    const LogIndex index = LogIndex::scan(log);
    CHECK(index[0].offset == 1100);
    CHECK(index[0].length == 300);
    CHECK(index[0].sectors == 2);
}

TEST_CASE("an extension that says more than its entry is not believed")
{
    Folder folder;
    for (const auto& [offset, length] :
         {std::pair<std::uint64_t, std::uint64_t>{1000, 300}, {1100, 1000}, {2049, 0},
          {1024, ~std::uint64_t{0}}, {~std::uint64_t{0}, 2}}) {
        const LogFile log = folder.log(
            LogBuilder().extended().write_part(2, Bytes(1024), offset, length).bytes());
        const LogIndex index = LogIndex::scan(log);
        CHECK(index[0].extended == 0);
        CHECK(index[0].offset == 1024);
        CHECK(index[0].length == 1024);
    }
}

TEST_CASE("what stands behind the counted entries is taken only if it is surely ours")
{
    Folder folder;
    const auto sure = [](const LogFile& log) {
        const LogIndex index = LogIndex::scan(log);
        return index.size() + scan_tail(log, index.end(log)).sure;
    };
    LogBuilder builder;
    builder.extended();
    const LogFile log = folder.log(fill(builder).count(3).bytes());
    CHECK(LogIndex::scan(log).size() == 3);
    CHECK_FALSE(LogIndex::scan(log).damage());
    CHECK(sure(log) == 7);

    LogBuilder plain;
    const LogFile old = folder.log(fill(plain).count(3).bytes());
    CHECK(sure(old) == 3);

    // A body that was cut off by a crash, in the middle of the tail.
    LogBuilder again;
    Bytes torn = fill(again.extended()).count(3).bytes();
    torn[3072 + 512 + 100] ^= std::byte{1};
    const LogFile crashed = folder.log(torn);
    CHECK(sure(crashed) == 3);
}

TEST_CASE("a log cut at any byte says at which entry and byte, and invents nothing")
{
    Folder folder;
    LogBuilder builder;
    const Bytes whole = fill(builder.extended()).bytes();
    const LogFile complete = folder.log(whole);
    const LogIndex full = LogIndex::scan(complete);
    for (std::size_t size = 0; size < whole.size(); size++) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        write_file(folder.path(), cut);
        if (size < 28) {
            CHECK_THROWS_AS(LogFile(folder.path()), LogError);
            continue;
        }
        const LogFile log(folder.path());
        const LogIndex index = LogIndex::scan(log);
        REQUIRE(index.damage());
        const std::uint64_t expected = index.damage()->entry;
        REQUIRE(index.size() == expected);
        REQUIRE(full[expected].position == index.damage()->position);
        const std::uint64_t end = expected + 1 < full.size() ? full[expected + 1].position
                                                             : whole.size();
        REQUIRE(size < end);
        REQUIRE((expected == 0 || size >= full[expected].position));
        REQUIRE_THROWS_WITH(index.require_whole(log),
                            Contains("entry " + std::to_string(expected) + " at byte " +
                                     std::to_string(full[expected].position)));
    }
}

TEST_CASE("superblocks that cannot be used are refused by what is wrong")
{
    Folder folder;
    const Bytes good = LogBuilder().flush().bytes();
    const auto with = [&](std::size_t offset, auto value) {
        Bytes bytes = good;
        resilience::put_le(bytes, offset, value);
        write_file(folder.path(), bytes);
    };
    CHECK_THROWS_WITH(LogFile(folder.path() + "x"), Contains("cannot be opened"));
    CHECK_THROWS_WITH(LogFile("/tmp"), Contains("directory"));
    with(0, std::uint64_t{1});
    CHECK_THROWS_WITH(LogFile(folder.path()), Contains("Invalid log superblock magic"));
    with(8, std::uint64_t{2});
    CHECK_THROWS_WITH(LogFile(folder.path()), Contains("Unsupported log version 2"));
    with(24, std::uint32_t{0});
    CHECK_THROWS_WITH(LogFile(folder.path()), Contains("Invalid log sector size 0"));
    write_file(folder.path(), {});
    CHECK_THROWS_WITH(LogFile(folder.path()), Contains("is empty"));
    write_file(folder.path(), Bytes(1536));
    CHECK_THROWS_WITH(LogFile(folder.path()), Contains("all zeroes"));
}

TEST_CASE("entries that cannot be are damage")
{
    Folder folder;
    const auto damage_of = [&](const Entry& entry) {
        const LogFile log = folder.log(LogBuilder().flush().add(entry, Kind::unknown, {}).bytes());
        const LogIndex index = LogIndex::scan(log);
        REQUIRE(index.size() == 1);
        REQUIRE(index.damage());
        return index.damage()->text;
    };
    CHECK_THAT(damage_of({0, 0, 0}), Contains("all zeroes"));
    CHECK_THAT(damage_of({0, 0, std::uint64_t{1} << 32}), Contains("Invalid flags 0x100000000"));
    CHECK_THAT(damage_of({0, 1, 0}), Contains("its body of 512 bytes ends at byte 2048"));
    CHECK_THAT(damage_of({0, ~std::uint64_t{0}, 0}), Contains("beyond what a device can have"));
    CHECK_THAT(damage_of({~std::uint64_t{0} / 512, 8, flag_discard}), Contains("beyond"));
    CHECK_THAT(damage_of({std::uint64_t{1} << 54, std::uint64_t{1} << 54, flag_discard}),
               Contains("beyond"));
}

TEST_CASE("random damage never crashes a walk")
{
    Folder folder;
    resilience::test::Random random;
    LogBuilder builder;
    const Bytes good = fill(builder.extended()).bytes();
    for (int round = 0; round < 2000; round++) {
        Bytes bytes = good;
        for (std::uint64_t i = random.between(1, 4); i > 0; i--) {
            bytes[random.between(0, bytes.size() - 1)] ^= std::byte(1 << random.between(0, 7));
        }
        write_file(folder.path(), bytes);
        try {
            const LogFile log(folder.path());
            const LogIndex index = LogIndex::scan(log);
            REQUIRE(index.size() + scan_tail(log, index.end(log)).sure <= 7);
        } catch (const LogError&) {
        }
    }
}

TEST_CASE("an index file serves the next program, and a stale one is made anew")
{
    Folder folder;
    LogBuilder builder;
    const Bytes bytes = fill(builder.extended()).mark("two").bytes();
    const LogFile log = folder.log(bytes);
    const std::string file = index_path(folder.path());
    const auto same = [&](const LogIndex& index) {
        return positions(index) == positions(LogIndex::scan(LogFile(folder.path())));
    };
    CHECK(same(*load_index(log)));
    REQUIRE(std::filesystem::exists(file));
    const auto written = std::filesystem::last_write_time(file);
    const auto again = load_index(log);
    CHECK(same(*again));
    CHECK(again->marks()[1].name == "two");
    CHECK(again->end_position() == log.size());
    CHECK(std::filesystem::last_write_time(file) == written);

    SECTION("the log has changed, in the same moment and with the same size")
    {
        Bytes other = bytes;
        resilience::put_le<std::uint64_t>(other, 7168, 2);  // the last write goes elsewhere
        const auto time = std::filesystem::last_write_time(folder.path());
        write_file(folder.path(), other);
        std::filesystem::last_write_time(folder.path(), time);
        const auto index = load_index(LogFile(folder.path()));
        REQUIRE(index->damage());  // its checksum is that of the old header
        CHECK(index->damage()->entry == 6);
        CHECK(index->damage()->position == 7168);
    }
    SECTION("the log has grown")
    {
        write_file(folder.path(), builder.write(5, 1, 'z').bytes());
        CHECK(load_index(LogFile(folder.path()))->size() == 9);
        CHECK(same(*load_index(LogFile(folder.path()))));
    }
    SECTION("each byte of the index file may be damaged, or missing")
    {
        std::ifstream in(file, std::ios::binary);
        const std::string good((std::istreambuf_iterator<char>(in)), {});
        for (std::size_t i = 0; i < good.size(); i++) {
            std::string bad = good;
            bad[i] = static_cast<char>(bad[i] ^ 0x10);
            std::ofstream(file, std::ios::binary) << bad;
            REQUIRE(same(*load_index(log)));
            std::ofstream(file, std::ios::binary) << good.substr(0, i);
            REQUIRE(same(*load_index(log)));
        }
    }
    SECTION("the place of the index file is taken")
    {
        std::filesystem::remove(file);
        std::filesystem::create_directory(file);
        CHECK(same(*load_index(log)));
    }
}

TEST_CASE("no index is kept of a damaged log")
{
    Folder folder;
    const LogFile log = folder.log(LogBuilder().flush().count(5).bytes());
    CHECK(load_index(log)->damage());
    CHECK_FALSE(std::filesystem::exists(index_path(folder.path())));
}

TEST_CASE("no index is kept of a log that changed while it was walked")
{
    Folder folder;
    const LogFile log = folder.log(LogBuilder().flush().bytes());
    const auto then = std::filesystem::last_write_time(folder.path());
    std::filesystem::last_write_time(folder.path(), then + std::chrono::milliseconds(1));
    CHECK(load_index(log)->size() == 1);
    CHECK_FALSE(std::filesystem::exists(index_path(folder.path())));
    load_index(LogFile(folder.path()));
    CHECK(std::filesystem::exists(index_path(folder.path())));
}
