// SPDX-License-Identifier: BSD-3-Clause
//
// What stands behind the entries that the superblock counts: the recorder that
// appends, and nbdcrash repair, take the same for entries.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "common/format/little_endian.h"
#include "common/replay/log_index.h"
#include "filters/logwrites/log_scan.h"
#include "tests/unit/device_test.h"
#include "tests/unit/log_builder.h"
#include "tests/unit/logwrites_test.h"
#include "tests/unit/seed.h"

using namespace log_test;
using logwrites_test::MemoryStorage;
using resilience::SetupError;
using resilience::logwrites::inspect_log;
using resilience::logwrites::LogStart;

namespace {

/// A mark that leaves no room for the extension.
const std::string long_mark(450, 'm');

/// Counted: a mark and a write.  Not counted: a long mark, a FUA write, a zero, a
/// flush, a discard, a long mark, a write, and a long mark at the end.
LogBuilder& killed(LogBuilder& log)
{
    return log.mark("start").write(8, 2, 'a').mark(long_mark).write(0, 8, 'b', flag_fua)
        .zero(16, 4).flush().discard(4, 2).mark(long_mark).write(1, 1, 'c').mark(long_mark)
        .count(2);
}

/// How many entries there are, and where the next one goes.
struct Found {
    std::uint64_t entries = 0;
    std::uint64_t position = 0;
    std::uint64_t sequence = 0;
};

class Readers {
public:
    /// As nbdcrash repair finds them.
    Found repair(const Bytes& bytes)
    {
        write_file(path_, bytes);
        const LogFile log(path_);
        const LogIndex index = LogIndex::scan(log);
        REQUIRE_FALSE(index.damage());
        const Tail tail = scan_tail(log, index.end(log));
        return {index.size() + tail.sure, tail.end_of_sure, 0};
    }

    /// As a recorder goes on behind them.
    static Found append(const Bytes& bytes)
    {
        MemoryStorage storage{bytes};
        resilience::logwrites::Options options;
        options.append = true;
        const LogStart start = inspect_log(storage, options, 1 << 20);
        return {start.entries, start.position, start.sequence};
    }

    /// Both, which must be the same.
    Found both(const Bytes& bytes)
    {
        const Found repaired = repair(bytes);
        const Found appended = append(bytes);
        CHECK(appended.entries == repaired.entries);
        CHECK(appended.position == repaired.position);
        return appended;
    }

private:
    device_test::TemporaryFolder folder_{"/tmp"};
    const std::string path_ = folder_ / "disk.log";
};

/// Where each entry of a log begins, and where the last one ends.
std::vector<std::uint64_t> positions_of(const Bytes& bytes)
{
    std::vector<std::uint64_t> positions;
    for (std::uint64_t at = 512; at < bytes.size();) {
        positions.push_back(at);
        at += 512 * decode_entry(std::span(bytes).subspan(at, header_bytes)).log_sectors();
    }
    positions.push_back(bytes.size());
    return positions;
}

}  // namespace

TEST_CASE("a mark without room for the extension does not end the log before an answered FUA write")
{
    Readers readers;
    LogBuilder builder;
    const Bytes bytes = killed(builder.extended()).bytes();
    const auto positions = positions_of(bytes);
    REQUIRE(positions.size() == 11);
    const Found found = readers.both(bytes);
    CHECK(found.entries == 9);  // the last long mark proves nothing
    CHECK(found.position == positions[9]);
    CHECK(found.sequence > 0);
}

TEST_CASE("without an extension in the superblock that of the entries tells whose they are")
{
    Readers readers;
    LogBuilder counted;
    Bytes bytes = killed(counted.extended(77).count(3)).bytes();
    LogBuilder older;
    const Bytes stale = older.extended(78).write(0, 1, 'x').write(1, 1, 'y').bytes();
    std::fill(bytes.begin() + 32, bytes.begin() + 512, std::byte{0});
    const auto positions = positions_of(bytes);
    CHECK(readers.both(bytes).entries == 9);

    // Of another recording, exactly where the next entry would be.
    bytes.resize(positions[9]);
    bytes.insert(bytes.end(), stale.begin() + 512, stale.end());
    CHECK(readers.both(bytes).entries == 9);

    // Even if all that is of this one is counted.
    resilience::put_le<std::uint64_t>(bytes, 16, 9);
    CHECK(readers.both(bytes).entries == 9);
}

TEST_CASE("plain entries behind the end are nobody's, and those of another device not ours")
{
    Readers readers;
    LogBuilder plain;
    CHECK(readers.both(killed(plain).bytes()).entries == 2);

    LogBuilder beyond;
    const Bytes bytes =
        beyond.extended().write(8, 2, 'a').write(std::uint64_t{1} << 30, 1, 'b').count(1).bytes();
    CHECK_THROWS_AS(Readers::append(bytes), SetupError);
}

TEST_CASE("whatever is cut off or flipped of the tail, append keeps what repair finds")
{
    Readers readers;
    resilience::test::Random random;
    LogBuilder builder;
    const Bytes whole = killed(builder.extended()).bytes();
    const auto positions = positions_of(whole);
    for (int round = 0; round < 3000; round++) {
        Bytes bytes = whole;
        std::uint64_t damaged = bytes.size();
        if (random.one_in(2)) {
            damaged = random.between(positions[2], bytes.size());
            bytes.resize(damaged);
        }
        for (std::uint64_t flips = random.between(0, 3); flips > 0; flips--) {
            if (bytes.size() > positions[2]) {
                const std::uint64_t at = random.between(positions[2], bytes.size() - 1);
                bytes[at] ^= std::byte(1 << random.between(0, 7));
                damaged = std::min(damaged, at);
            }
        }
        INFO("round " << round << ", damaged from byte " << damaged);
        const Found found = readers.both(bytes);
        CHECK(found.entries <= 9);
        // All before the damage is there, but for marks that prove nothing.
        std::uint64_t intact = 2;
        while (intact < 10 && positions[intact + 1] <= damaged) {
            intact++;
        }
        const bool is_mark = intact == 3 || intact == 8 || intact == 10;
        CHECK(found.entries >= intact - (is_mark ? 1 : 0));
    }
}
