// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "common/core/content_witness.h"

using namespace resilience;

namespace {

std::vector<std::byte> block(int value)
{
    return std::vector<std::byte>(witness_block, std::byte(value));
}

WitnessPlace place(std::uint64_t offset, int value)
{
    return {offset, digest_of(block(value))};
}

}  // namespace

TEST_CASE("places are spread from the first block to the last, each one once")
{
    for (const std::uint64_t size :
         {std::uint64_t{0}, std::uint64_t{4095}, std::uint64_t{4096}, std::uint64_t{3 * 4096 + 1},
          std::uint64_t{1} << 20, (std::uint64_t{1} << 40) + 512, std::uint64_t{1} << 62}) {
        INFO("size " << size);
        const auto offsets = spread_offsets(size);
        CHECK(offsets.size() == std::min<std::uint64_t>(size / witness_block, most_spread));
        CHECK(std::set(offsets.begin(), offsets.end()).size() == offsets.size());
        CHECK(std::ranges::is_sorted(offsets));
        for (const std::uint64_t offset : offsets) {
            CHECK(offset % witness_block == 0);
            CHECK(offset + witness_block <= size);
        }
        if (!offsets.empty()) {
            CHECK(offsets.front() == 0);
        }
        if (offsets.size() > 1) {
            CHECK(offsets.back() == (size / witness_block - 1) * witness_block);
        }
    }
}

TEST_CASE("one place that differs is enough, and one that is not zeroes is a proof")
{
    WitnessFindings findings;
    CHECK_FALSE(findings.differs());
    CHECK_FALSE(findings.proven());
    findings.add(place(0, 7), block(7));
    CHECK(findings.proven());
    findings.add(place(4096, 7), block(8));
    CHECK(findings.differs());
    CHECK_FALSE(findings.proven());
    CHECK(findings.compared == 2);
    CHECK(findings.differing == std::vector{place(4096, 8)});
}

TEST_CASE("zeroes where zeroes were left prove nothing and accuse nobody")
{
    WitnessFindings empty;
    empty.add(place(0, 0), block(0));
    empty.add(place(4096, 0), block(0));
    CHECK_FALSE(empty.differs());
    CHECK_FALSE(empty.proven());
    // But data there are another disk's, and zeroes where data were are an empty one's.
    WitnessFindings used;
    used.add(place(0, 0), block(1));
    CHECK(used.differs());
    WitnessFindings replaced;
    replaced.add(place(0, 0), block(0));
    replaced.add(place(4096, 1), block(0));
    CHECK(replaced.differs());
}

TEST_CASE("a byte, anywhere, is another content")
{
    for (std::size_t at = 0; at < witness_block; at += 511) {
        auto content = block(3);
        content[at] ^= std::byte{1};
        WitnessFindings findings;
        findings.add(place(0, 3), content);
        CHECK(findings.differs());
    }
}

TEST_CASE("what was written last is kept, each place once, the oldest goes first")
{
    const std::uint64_t size = 1 << 30;
    ContentWitness witness;
    // None of these is a spread place.
    const auto offset = [](std::uint64_t i) { return (2 * i + 1) * witness_block; };
    for (std::uint64_t i = 0; i < most_recent; i++) {
        witness.note(size, offset(i), digest_of(block(1)));
    }
    witness.note(size, offset(0), digest_of(block(2)));
    CHECK(witness.recent.size() == most_recent);
    CHECK(witness.recent.back() == place(offset(0), 2));
    witness.note(size, offset(most_recent), digest_of(block(3)));
    CHECK(witness.recent.size() == most_recent);
    CHECK(witness.recent.front().offset == offset(2));
    CHECK(witness.spread.empty());
}

TEST_CASE("a spread place keeps its seat, however much is written elsewhere")
{
    const std::uint64_t size = 1 << 30;
    ContentWitness witness;
    for (const std::uint64_t offset : spread_offsets(size)) {
        witness.note(size, offset, digest_of(block(1)));
    }
    witness.note(size, 0, digest_of(block(2)));
    for (std::uint64_t i = 0; i < 1000; i++) {
        witness.note(size, (2 * i + 1) * witness_block, digest_of(block(3)));
    }
    CHECK(witness.spread.size() == most_spread);
    CHECK(std::ranges::count(witness.spread, place(0, 2)) == 1);
    CHECK(witness.places().size() == most_spread + most_recent);
}

TEST_CASE("what is in a range is asked for, and can be forgotten")
{
    const std::uint64_t size = 1 << 30;
    const ByteRange region{0, 1 << 20};
    ContentWitness witness;
    CHECK(witness.offsets_in(size, region) == std::vector<std::uint64_t>{0});
    witness.note(size, 0, digest_of(block(1)));
    witness.note(size, 4096, digest_of(block(1)));
    witness.note(size, 1 << 20, digest_of(block(1)));
    CHECK(witness.offsets_in(size, region) == std::vector<std::uint64_t>{0, 4096});
    witness.forget({8191, 8192});
    CHECK(witness.places() == std::vector{place(0, 1), place(1 << 20, 1)});
    witness.forget({0, 1});
    CHECK(witness.places() == std::vector{place(1 << 20, 1)});
}
