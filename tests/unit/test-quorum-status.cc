// SPDX-License-Identifier: BSD-3-Clause

// What is known of a quorum's members: where they are wrong, and on how many of them
// what is right is.

#include <algorithm>
#include <cerrno>

#include <catch2/catch.hpp>

#include "filters/quorum/coverage.h"
#include "filters/quorum/status.h"
#include "tests/unit/quorum_test.h"
#include "tests/unit/seed.h"

using namespace resilience;
using namespace resilience::test;

namespace {

constexpr std::uint64_t sector = 512;

/// Counted sector by sector.
Coverage counted(const std::vector<Holder>& holders, std::uint64_t size, std::size_t needed)
{
    Coverage coverage{0, holders.size()};
    for (std::uint64_t at = 0; at < size; at += sector) {
        const ByteRange range{at, std::min(at + sector, size)};
        std::size_t right = 0;
        for (const Holder& holder : holders) {
            const bool differs = std::ranges::any_of(holder.differing, [&](const ByteRange& one) {
                return one.begin < range.end && range.begin < one.end;
            });
            right += !differs && !holder.stale->any(range);
        }
        coverage.unreadable_bytes += right < needed ? range.length() : 0;
        coverage.fewest = std::min(coverage.fewest, right);
    }
    return coverage;
}

Word word_of(const TestQuorum& t)
{
    return judge(facts_of(*t.quorum)).word;
}

std::uint64_t known(TestQuorum& t, std::size_t child)
{
    return facts_of(*t.quorum).members[child].differing_bytes;
}

}  // namespace

TEST_CASE("the holders of what is right are counted in each place")
{
    Random random;
    for (int round = 0; round < 300; round++) {
        const std::uint64_t size =
            random.between(1, 150) * granule - random.between(0, 1) * 12288;
        const std::size_t count = random.between(1, 4);
        std::vector<std::unique_ptr<DirtyBitmap>> stale;
        std::vector<Holder> holders;
        for (std::size_t i = 0; i < count; i++) {
            stale.push_back(std::make_unique<DirtyBitmap>(size, granule));
            IntervalSet differing(size);
            for (std::uint64_t marks = random.between(0, 3); marks > 0; marks--) {
                const std::uint64_t begin = random.between(0, size / sector - 1) * sector;
                stale.back()->set({begin, begin + random.between(1, size / 4)});
            }
            for (std::uint64_t marks = random.between(0, 3); marks > 0; marks--) {
                const std::uint64_t begin = random.between(0, size / sector - 1) * sector;
                differing.add({begin, begin + random.between(1, 300) * sector});
            }
            holders.push_back({stale.back().get(), differing.ranges()});
        }
        const std::size_t needed = random.between(1, count);
        const Coverage is = cover(holders, size, needed);
        const Coverage should = counted(holders, size, needed);
        REQUIRE(is.unreadable_bytes == should.unreadable_bytes);
        REQUIRE(is.fewest == should.fewest);
    }
}

TEST_CASE("with too few holders nothing can be read")
{
    const DirtyBitmap clean(10 * granule, granule);
    const std::vector<Holder> holders{{&clean}};
    CHECK(cover(holders, 10 * granule, 2).unreadable_bytes == 10 * granule);
    CHECK(cover({}, 10 * granule, 1).unreadable_bytes == 10 * granule);
    CHECK(cover({}, 0, 1).unreadable_bytes == 0);
}

TEST_CASE("a lost vote is known until the place is written, or found to be equal")
{
    for (const auto pattern : {ReadPattern::quorum, ReadPattern::fastest}) {
        Options options;
        options.read_pattern = pattern;
        TestQuorum t(3, 4 * granule, options);
        const auto spoil = [&] {
            t.device(2).flip(8192, std::byte{1});
            t.device(2).flip(8192 + sector, std::byte{1});
        };
        CHECK(word_of(t) == Word::healthy);
        spoil();
        CHECK(word_of(t) == Word::healthy);  // nobody has looked
        REQUIRE(t.read({4096, 16384}).first == 0);
        CHECK(word_of(t) == Word::differs);
        CHECK(known(t, 2) == 2 * sector);
        CHECK(known(t, 0) == 0);
        CHECK(judge(facts_of(*t.quorum)).survivable_failures == 0);

        REQUIRE(t.write({8192, 8192 + sector}, std::byte{2}) == 0);
        CHECK(known(t, 2) == sector);
        REQUIRE(t.write({8192 + sector, 12288}, std::byte{2}) == 0);
        CHECK(word_of(t) == Word::healthy);

        spoil();
        REQUIRE(t.read({0, granule}).first == 0);
        CHECK(word_of(t) == Word::differs);
        spoil();
        REQUIRE(t.read({0, granule}).first == 0);
        CHECK(word_of(t) == Word::healthy);
    }
}

TEST_CASE("what is rewritten is not known to be wrong any more; what cannot be, is copied")
{
    Options options;
    options.rewrite_corrupted = true;
    TestQuorum t(3, 4 * granule, options);
    REQUIRE(t.write({0, 4096}, std::byte{6}) == 0);  // no zeroes: those heal nothing
    t.device(2).flip(5, std::byte{1});
    REQUIRE(t.read({0, 4096}).first == 0);
    CHECK(word_of(t) == Word::healthy);

    t.device(2).flip(5, std::byte{1});
    t.device(2).fail(Op::write, EIO, 1);
    REQUIRE(t.read({0, 4096}).first == 0);
    CHECK(word_of(t) == Word::resyncing);
    CHECK(known(t, 2) == 0);  // it is stale, which says more
    t.clock.advance(2s);
    t.resync();
    CHECK(word_of(t) == Word::healthy);
}

TEST_CASE("a place that cannot be read is known, and what does not answer is not")
{
    for (const auto pattern : {ReadPattern::quorum, ReadPattern::fastest, ReadPattern::fifo}) {
        Options options;
        options.read_pattern = pattern;
        TestQuorum t(3, 4 * granule, options);
        t.device(0).fail(Op::read, EIO);
        REQUIRE(t.read({0, 4096}).first == 0);
        CHECK(word_of(t) == Word::differs);
        CHECK(known(t, 0) == 4096);
        REQUIRE(t.read({0, 4096}).first == 0);
        CHECK(word_of(t) == Word::healthy);
        t.device(0).fail(Op::read, ENOTCONN);
        REQUIRE(t.read({0, 4096}).first == 0);
        CHECK(word_of(t) == Word::healthy);
    }
}

TEST_CASE("what could not be read is forgotten with the connection, a lost vote is not")
{
    TestQuorum t(3, 4 * granule);
    t.device(1).flip(0, std::byte{1});
    t.device(1).fail(Op::read, EIO, 1, {granule, granule + 4096});
    REQUIRE(t.read({0, 4096}).first == 0);
    REQUIRE(t.read({granule, granule + 4096}).first == 0);
    CHECK(known(t, 1) == 4096 + sector);
    t.device(1).drop_link();
    t.settle();
    CHECK(known(t, 1) == sector);
}

TEST_CASE("a place on which no majority agrees cannot be read")
{
    TestQuorum t(2, 4 * granule);
    t.device(1).flip(600, std::byte{1});
    CHECK(t.read({0, 4096}).first == EIO);
    CHECK(word_of(t) == Word::failed);
    CHECK(facts_of(*t.quorum).unreadable_bytes == sector);
    t.device(1).flip(600, std::byte{1});
    CHECK(t.read({0, 4096}).first == 0);
    CHECK(word_of(t) == Word::healthy);
}

TEST_CASE("members that are wrong in different places are told apart")
{
    TestQuorum t(3, 4 * granule);
    t.device(1).flip(600, std::byte{1});
    t.device(2).flip(granule + 5, std::byte{1});
    REQUIRE(t.read({0, 2 * granule}).first == 0);
    CHECK(known(t, 0) == 0);
    CHECK(known(t, 1) == sector);
    CHECK(known(t, 2) == sector);
    CHECK(facts_of(*t.quorum).unreadable_bytes == 0);
}
