// SPDX-License-Identifier: BSD-3-Clause

// Damage of every kind at every place of a small log of ours: each cut, each
// flipped bit.  Whatever is still read must be what was written.

#include <string>

#include <catch2/catch.hpp>

#include "tests/unit/log_builder.h"
#include "tests/unit/scratch.h"

using namespace log_test;
using resilience::test::TemporaryFolder;

namespace {

Bytes sample()
{
    LogBuilder builder;
    builder.extended().mark("start").write(1, 2, 'a').flush().zero(8, 1).discard(16, 4);
    return builder.write(2, 1, 'b', flag_fua).mark("end").bytes();
}

/// Scans a log with these bytes, and looks at every body that is there.
/// Returns the entries that are usable; -1 if the log is refused.
std::int64_t usable(const std::string& path, const Bytes& bytes, const LogIndex& right)
{
    write_file(path, bytes);
    try {
        const LogFile log(path);
        const LogIndex index = LogIndex::scan(log);
        if (index.size() != log.super().entries) {
            // What was counted and is not there is said, with entry and byte.
            REQUIRE(index.damage());
            CHECK(index.damage()->entry == index.size());
        }
        std::int64_t good = 0;
        for (std::uint64_t entry = 0; entry < index.size(); entry++) {
            if (!body_is_intact(log, index[entry])) {
                return good;  // found, where the body is used
            }
            REQUIRE(entry < right.size());
            CHECK(index[entry].offset == right[entry].offset);
            CHECK(index[entry].length == right[entry].length);
            CHECK(index[entry].flags == right[entry].flags);
            CHECK(index[entry].kind == right[entry].kind);
            good++;
        }
        return good;
    } catch (const LogError&) {
        return -1;
    }
}

}  // namespace

TEST_CASE("a log that is cut at any byte")
{
    const TemporaryFolder folder;
    const std::string path = folder / "log";
    const Bytes bytes = sample();
    write_file(path, bytes);
    const LogIndex right = LogIndex::scan(LogFile(path));
    REQUIRE(right.size() == 7);
    for (std::size_t length = 0; length < bytes.size(); length++) {
        INFO("cut to " << length << " bytes");
        const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        std::int64_t whole = 0;
        for (std::uint64_t entry = 0; entry < right.size(); entry++) {
            const Record& record = right[entry];
            const std::uint64_t end =
                record.position + 512 * (1 + (record.is_discard() ? 0 : record.sectors));
            whole += end <= length ? 1 : 0;
        }
        const std::int64_t good = usable(path, cut, right);
        if (good == -1) {
            CHECK(length < header_bytes);
        } else {
            CHECK(good == whole);
        }
    }
}

TEST_CASE("a log of which any bit is flipped")
{
    const TemporaryFolder folder;
    const std::string path = folder / "log";
    const Bytes bytes = sample();
    write_file(path, bytes);
    const LogFile log(path);
    const LogIndex right = LogIndex::scan(log);
    std::uint64_t noticed = 0;
    std::uint64_t flips = 0;
    for (std::size_t at = 0; at < bytes.size(); at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            INFO("bit " << bit << " of byte " << at);
            Bytes bad = bytes;
            bad[at] ^= std::byte{1} << bit;
            const std::int64_t good = usable(path, bad, right);
            noticed += good < 7 ? 1 : 0;
            flips++;
        }
    }
    // Only the body of a zero is not read, because it is zeroes anyway.
    CHECK(flips - noticed == std::uint64_t{512} * 8);
}
