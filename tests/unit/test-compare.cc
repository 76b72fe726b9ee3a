// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/compare.h"

#include <catch2/catch.hpp>

#include <set>
#include <vector>

#include "tests/unit/seed.h"

using resilience::count_differing_sectors;
using resilience::first_difference;
using resilience::sector_size;

namespace {

using Buffer = std::vector<std::byte>;

/// Lengths at which the blocks of the comparison and sectors begin and end.
const std::vector<std::size_t> lengths{1,    2,    511,  512,  513,  4095,
                                       4096, 4097, 8191, 8192, 8193, 9000};

void flip(Buffer& buffer, std::size_t at) { buffer[at] ^= std::byte{0x80}; }

}  // namespace

TEST_CASE("compare: equal buffers have no difference", "[compare]")
{
    CHECK(first_difference({}, {}) == std::nullopt);
    for (const std::size_t length : lengths) {
        const Buffer a(length, std::byte{7});
        const Buffer b = a;
        CHECK(first_difference(a, b) == std::nullopt);
        CHECK(first_difference(a, a) == std::nullopt);
    }
}

TEST_CASE("compare: one differing byte is found at every position", "[compare]")
{
    for (const std::size_t length : lengths) {
        const Buffer a(length, std::byte{7});
        Buffer b = a;
        for (std::size_t at = 0; at < length; at++) {
            flip(b, at);
            if (first_difference(a, b) != at || first_difference(b, a) != at) {
                FAIL("position " << at << " of " << length);
            }
            flip(b, at);
        }
    }
}

TEST_CASE("compare: of two differing bytes the first is found", "[compare]")
{
    const Buffer a(9000);
    for (std::size_t first = 0; first < a.size(); first += 7) {
        for (const std::size_t gap : {std::size_t{1}, std::size_t{600}, std::size_t{4096}}) {
            if (first + gap < a.size()) {
                Buffer b = a;
                flip(b, first);
                flip(b, first + gap);
                if (first_difference(a, b) != first) {
                    FAIL("positions " << first << " and " << first + gap);
                }
            }
        }
    }
}

TEST_CASE("compare: buffers need no alignment", "[compare]")
{
    const Buffer a(5000);
    Buffer b(5000);
    flip(b, 4500);
    for (std::size_t shift = 0; shift < 64; shift++) {
        const auto view = [&](const Buffer& buffer) { return std::span(buffer).subspan(shift); };
        CHECK(first_difference(view(a), view(b)) == 4500 - shift);
        CHECK(count_differing_sectors(view(a), view(b), shift) == 1);
    }
}

TEST_CASE("compare: equal buffers have no differing sector", "[compare]")
{
    const Buffer a(4096);
    CHECK(count_differing_sectors({}, {}, 0) == 0);
    CHECK(count_differing_sectors({}, {}, 511) == 0);
    for (const std::uint64_t offset : {0, 1, 511, 512, 700}) {
        CHECK(count_differing_sectors(a, a, offset) == 0);
    }
}

TEST_CASE("compare: a sector counts once, however much of it differs", "[compare]")
{
    const Buffer a(2048);
    Buffer b(2048);
    flip(b, 512);
    CHECK(count_differing_sectors(a, b, 0) == 1);
    flip(b, 513);
    flip(b, 1023);
    CHECK(count_differing_sectors(a, b, 0) == 1);
    flip(b, 1024);
    CHECK(count_differing_sectors(a, b, 0) == 2);
    CHECK(count_differing_sectors(a, Buffer(2048, std::byte{1}), 0) == 4);
}

TEST_CASE("compare: sectors are those of the device, not of the buffer", "[compare]")
{
    // 600 bytes at 700 stand in sectors 1 (324 bytes of it) and 2 (276).
    const Buffer a(600);
    const Buffer other(600, std::byte{1});
    CHECK(count_differing_sectors(a, other, 700) == 2);
    Buffer b(600);
    flip(b, 323);
    CHECK(count_differing_sectors(a, b, 700) == 1);
    flip(b, 324);
    CHECK(count_differing_sectors(a, b, 700) == 2);
    flip(b, 323);
    CHECK(count_differing_sectors(a, b, 700) == 1);

    // 512 bytes in the middle of two sectors, 514 on both sides of one.
    CHECK(count_differing_sectors(Buffer(512), Buffer(512, std::byte{1}), 1) == 2);
    CHECK(count_differing_sectors(Buffer(514), Buffer(514, std::byte{1}), 511) == 3);
    // One byte, the last of its sector.
    CHECK(count_differing_sectors(Buffer(1), Buffer(1, std::byte{1}), 511) == 1);
}

TEST_CASE("compare: sectors far out on a large device", "[compare]")
{
    const std::uint64_t far = (std::uint64_t{1} << 62) + 511;
    CHECK(count_differing_sectors(Buffer(2), Buffer(2, std::byte{1}), far) == 2);
}

TEST_CASE("compare: random differences against a set of sectors", "[compare][random]")
{
    resilience::test::Random random;
    for (int round = 0; round < 2000; round++) {
        const std::uint64_t offset = random.between(0, 5000);
        const std::size_t length = random.between(1, 6000);
        const Buffer a(length);
        Buffer b(length);
        std::set<std::uint64_t> sectors;
        std::set<std::size_t> positions;
        for (std::uint64_t n = random.between(0, 6); n > 0; n--) {
            const std::size_t at = random.between(0, length - 1);
            b[at] = std::byte{1};
            positions.insert(at);
            sectors.insert((offset + at) / sector_size);
        }
        const auto first = first_difference(a, b);
        const bool right = positions.empty() ? !first : first == *positions.begin();
        if (!right || count_differing_sectors(a, b, offset) != sectors.size()) {
            FAIL("SEED=" << resilience::test::seed() << " round " << round);
        }
    }
}
