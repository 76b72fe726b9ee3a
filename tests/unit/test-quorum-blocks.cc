// SPDX-License-Identifier: BSD-3-Clause

// Ranges that have no majority as a whole, and what is done sector by sector.

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

constexpr std::byte one{1};
constexpr std::byte two{2};
constexpr std::byte three{3};
constexpr std::byte zero{0};

constexpr ByteRange sector(std::uint64_t n) { return {n * 512, (n + 1) * 512}; }

Options with(ReadPattern pattern, bool rewrite = false)
{
    Options options;
    options.read_pattern = pattern;
    options.rewrite_corrupted = rewrite;
    return options;
}

/// A write that this child alone fails.
void missed_by(TestQuorum& t, std::size_t child, ByteRange range, std::byte value)
{
    t.device(child).fail(Op::write, EIO);
    REQUIRE(t.write(range, value) == 0);
    REQUIRE(t.child(child).stale().any(range));
}

/// All three are stale in the first granule, each for another sector: 0, 16, 32.
void each_misses_one(TestQuorum& t)
{
    for (std::size_t i = 0; i < 3; i++) {
        missed_by(t, i, sector(16 * i), two);
    }
}

void forgets(TestQuorum& t, std::size_t child)
{
    t.device(child).drop_link();
    t.quorum->housekeep();
    t.device(child).forget_unflushed();
    t.device(child).return_link();
    t.settle();
    REQUIRE(t.child(child).online());
}

void expect(TestQuorum& t, ByteRange range, std::byte value)
{
    const auto [error, data] = t.read(range);
    CHECK(error == 0);
    CHECK(std::ranges::all_of(data, [&](std::byte b) { return b == value; }));
}

}  // namespace

TEST_CASE("each child is wrong in another sector: the read is right, and each is reported")
{
    const ReadPattern pattern = GENERATE(ReadPattern::quorum, ReadPattern::fastest);
    const bool rewrite = GENERATE(false, true);
    const bool local = GENERATE(false, true);
    TestQuorum t(3, 16 * granule, with(pattern, rewrite));
    REQUIRE(t.write({0, t.size}, one) == 0);
    for (std::size_t i = 0; i < 3; i++) {
        t.device(i).set_immediate(local);
        t.device(i).fill(sector(20 * i), three);
    }
    expect(t, {0, granule}, one);
    for (std::size_t i = 0; i < 3; i++) {
        CHECK(t.notes.count("bad children." + std::to_string(i) + " read at " +
                            std::to_string(20 * i * 512)) == 1);
        CHECK(t.child(i).counters.differing_sectors == 1);
    }
    t.resync();
    for (std::size_t i = 0; i < 3; i++) {
        CHECK(t.device(i).at(20 * i * 512) == (rewrite ? one : three));
    }
    CHECK(std::ranges::none_of(t.notes.lines(), [](const std::string& line) {
        return line.starts_with("failure");
    }));
}

TEST_CASE("the answers that are voted on by sector are those that were given")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    // Two lie once, and would be right if they were asked again.
    t.device(0).misread(100, std::byte{8});
    t.device(1).misread(5000, std::byte{8});
    expect(t, {0, granule}, one);
    CHECK(t.notes.lines() == std::vector<std::string>{"bad children.1 read at 5000",
                                                      "bad children.0 read at 100"});
    CHECK(t.device(2).count(Op::read) == 1);
}

TEST_CASE("each child cannot read another sector: the read is right, and heals")
{
    const ReadPattern pattern =
        GENERATE(ReadPattern::quorum, ReadPattern::fastest, ReadPattern::fifo);
    TestQuorum t(3, 16 * granule, with(pattern, pattern != ReadPattern::fifo));
    REQUIRE(t.write({0, t.size}, one) == 0);
    for (std::size_t i = 0; i < 3; i++) {
        t.device(i).fail(Op::read, EIO, 1000, sector(20 * i));
    }
    expect(t, {0, granule}, one);
    t.resync();
    for (std::size_t i = 0; i < 3; i++) {
        CHECK(t.notes.count("bad children." + std::to_string(i) + " read 5") == 1);
        CHECK(t.child(i).counters.rewrites == (pattern == ReadPattern::fifo ? 0 : 1));
    }
}

TEST_CASE("a sector without a majority fails, and accuses nobody")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    t.device(0).fill(sector(3), two);
    t.device(1).fill(sector(3), three);
    CHECK(t.read({0, granule}).first == EIO);
    CHECK(t.notes.lines() == std::vector<std::string>{"failure 0"});
    expect(t, sector(4), one);
}

TEST_CASE("three writes in a granule, each missed by another child: reads go on")
{
    const ReadPattern pattern =
        GENERATE(ReadPattern::quorum, ReadPattern::fastest, ReadPattern::fifo);
    TestQuorum t(3, 16 * granule, with(pattern));
    REQUIRE(t.write({0, granule}, one) == 0);
    each_misses_one(t);
    for (const std::uint64_t s : {0, 16, 32}) {
        expect(t, sector(s), two);
    }
    expect(t, {sector(17).begin, sector(31).end}, one);
    const auto [error, data] = t.read({0, 2 * granule});
    CHECK(error == 0);
    CHECK(data[16 * 512] == two);
    CHECK(data[granule] == zero);
    CHECK(t.child(0).counters.mismatches + t.child(1).counters.mismatches == 0);
}

TEST_CASE("... and the resync makes all of them whole")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    each_misses_one(t);
    t.resync();
    for (std::size_t i = 0; i < 3; i++) {
        CHECK_FALSE(t.child(i).stale().any());
        CHECK(t.device(i).content() == t.device(0).content());
        CHECK(t.device(i).at(16 * i * 512) == two);
    }
    CHECK(t.flush() == 0);
}

TEST_CASE("... also when one of them cannot read a sector, or is away")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    each_misses_one(t);
    t.device(1).fail(Op::read, EIO, 1000, sector(50));
    expect(t, sector(51), one);
    expect(t, sector(50), one);
    t.device(0).drop_link();
    t.quorum->housekeep();
    expect(t, sector(51), one);
    expect(t, sector(0), two);
    CHECK(t.read(sector(16)).first == EIO);  // C alone has it
}

TEST_CASE("what was forgotten does not win against what is the newest")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    REQUIRE(t.flush() == 0);
    missed_by(t, 2, sector(0), two);   // A and B have it
    missed_by(t, 0, sector(16), two);  // now A is stale, too
    forgets(t, 1);                     // B and C have the old content of sector 0
    CHECK(t.device(1).at(0) == one);
    CHECK(t.device(2).at(0) == one);
    CHECK(t.read(sector(0)).first == EIO);
    t.resync();
    CHECK(t.read(sector(0)).first == EIO);
    CHECK(t.device(0).at(0) == two);
    CHECK(t.write(sector(0), three) == 0);  // it can be written
    CHECK(t.write({0, granule}, three) == 0);
    expect(t, {0, granule}, three);
}

TEST_CASE("a flush that one child fails makes doubtful what it was to make durable")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    REQUIRE(t.flush() == 0);
    missed_by(t, 2, sector(0), two);
    t.resync();
    missed_by(t, 2, sector(0), three);
    t.device(1).fail(Op::flush, EIO);
    t.flush();
    missed_by(t, 0, sector(16), two);
    t.child(1).distrust_unflushed();
    CHECK(t.child(1).standing(sector(0)) == Standing::doubtful);
    CHECK(t.child(2).standing(sector(0)) == Standing::missed);
    CHECK(t.child(0).standing(sector(0)) == Standing::missed);
}

TEST_CASE("a write that was noted after the link was lost is doubtful")
{
    TestQuorum t;
    const std::uint64_t epoch = t.child(0).epoch();
    t.child(0).distrust_unflushed();
    t.child(0).wrote({0, granule}, epoch, false);
    CHECK(t.child(0).standing(sector(0)) == Standing::doubtful);
    t.child(0).wrote({0, granule}, t.child(0).epoch(), false);
    CHECK(t.child(0).standing(sector(0)) == Standing::current);
}

TEST_CASE("a threshold of half of the children does not decide among stale ones")
{
    Options options;
    options.threshold = 2;
    TestQuorum t(4, 16 * granule, options);
    REQUIRE(t.write({0, granule}, one) == 0);
    // A and B have the newest of sector 0, and all are stale.
    t.device(2).fail(Op::write, EIO);
    missed_by(t, 3, sector(0), two);
    t.device(0).fail(Op::write, EIO);
    missed_by(t, 1, sector(16), two);
    CHECK(t.read(sector(0)).first == EIO);
    t.resync();
    CHECK(t.read(sector(0)).first == EIO);
    CHECK(t.device(0).at(0) == two);
}

TEST_CASE("a child that is removed takes its copies with it: what others miss is doubtful then")
{
    Options options;
    options.threshold = 2;
    TestQuorum t(3, 16 * granule, options);
    REQUIRE(t.write({0, granule}, one) == 0);
    const auto added = std::make_shared<FaultyDevice>(t.size);
    t.quorum->add_child({"d", added, 10s}, false);
    // Sector 0 is new on A and D; B and C have the old one, and agree.
    t.device(1).fail(Op::write, EIO);
    missed_by(t, 2, sector(0), two);
    t.child(3).resync_mode = ResyncMode::cancelled;
    t.quorum->remove_child("d");
    missed_by(t, 0, sector(16), two);
    CHECK(t.read(sector(0)).first == EIO);
    CHECK(t.device(0).at(0) == two);
}

TEST_CASE("a child that was never filled has no say")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    const auto added = std::make_shared<FaultyDevice>(t.size);
    t.quorum->add_child({"d", added, 10s}, false);
    CHECK(t.child(3).standing(sector(0)) == Standing::doubtful);
    t.resync();
    CHECK(t.child(3).standing(sector(0)) == Standing::current);
    t.quorum->remove_child("d");
    t.quorum->make_stale("children.2");
    CHECK(t.child(2).standing(sector(0)) == Standing::doubtful);
    t.quorum->assume_clean("children.2");
    CHECK(t.child(2).standing(sector(0)) == Standing::current);
    t.child(2).missed(sector(0));
    CHECK(t.child(2).standing(sector(0)) == Standing::missed);
}

TEST_CASE("a failed write left two versions, and the third child is stale: what it kept decides")
{
    TestQuorum t;
    REQUIRE(t.write({0, granule}, one) == 0);
    missed_by(t, 0, sector(0), two);
    t.device(2).fill(sector(40), three);  // a write that nobody acknowledged got to C alone
    expect(t, sector(40), one);
    expect(t, sector(0), two);
    t.resync();
    CHECK_FALSE(t.child(0).stale().any());
    expect(t, {sector(39).begin, sector(41).end}, one);
}

TEST_CASE("a majority of zeroes is believed, told of, and never healed by itself")
{
    const ReadPattern pattern = GENERATE(ReadPattern::quorum, ReadPattern::fastest);
    TestQuorum t(3, 16 * granule, with(pattern, true));
    REQUIRE(t.write({0, 2 * granule}, one) == 0);
    for (const std::size_t i : {0, 1}) {
        t.device(i).fill({sector(8).begin, sector(15).end}, zero);
    }
    t.device(2).fill(sector(4), three);   // this can be healed
    t.device(2).fill(sector(20), three);  // and this
    const auto [error, data] = t.read({0, granule});
    CHECK(error == 0);
    CHECK(data[8 * 512] == zero);
    CHECK(t.child(2).counters.differing_sectors == 10);
    CHECK(t.child(2).counters.zeroes_against_data == 8);
    CHECK(t.child(0).counters.zeroes_against_data == 0);
    t.resync();
    CHECK(t.device(2).at(4 * 512) == one);
    CHECK(t.device(2).at(20 * 512) == one);
    for (std::uint64_t s = 8; s < 16; s++) {
        CHECK(t.device(2).at(s * 512) == one);  // perhaps the last copy
    }
    CHECK(t.child(2).counters.rewrites == 2);
    t.read({0, granule});
    t.resync();
    CHECK(t.child(2).counters.rewrites == 2);
    // Data against zeroes are healed as ever.
    t.device(1).fill(sector(100), zero);
    expect(t, sector(100), one);
    t.resync();
    CHECK(t.device(1).at(100 * 512) == one);
    CHECK(t.child(1).counters.zeroes_against_data == 0);
}

TEST_CASE("one sector that cannot be read does not bring zeroes over those that can")
{
    const ReadPattern pattern = GENERATE(ReadPattern::quorum, ReadPattern::fastest);
    const std::uint64_t length = GENERATE(1, 3) * granule;
    TestQuorum t(3, 16 * granule, with(pattern, true));
    t.device(2).fill({0, t.size}, one);  // the others are empty
    t.device(2).fail(Op::read, EIO, 1000, sector(9));
    const auto [error, data] = t.read({0, length});
    CHECK(error == 0);
    CHECK(data[0] == zero);
    t.resync();
    CHECK(t.device(2).at(9 * 512) == zero);  // nothing of it is lost
    for (std::uint64_t at = 0; at < length; at += 512) {
        if (at != 9 * 512) {
            REQUIRE(t.device(2).at(at) == one);
        }
    }
}

TEST_CASE("blocks larger than a sector are voted on, asked for and healed as one")
{
    std::vector<NewChild> members;
    std::vector<std::shared_ptr<FaultyDevice>> devices;
    Notes notes;
    ManualClock clock;
    Options options = with(ReadPattern::quorum, true);
    options.settle(3);
    for (std::size_t i = 0; i < 3; i++) {
        devices.push_back(std::make_shared<FaultyDevice>(16 * granule));
        devices.back()->limits().minimum = 4096;
        devices.back()->fill({0, granule}, one);
        devices.back()->fill(sector(16 * i), three);
        devices.back()->on_request([](const Request& request) {
            CHECK(request.offset % 4096 == 0);
            CHECK(request.length % 4096 == 0);
        });
        members.push_back({"", devices.back(), 10s});
    }
    devices[1]->fail(Op::read, EIO, 3, sector(80));
    QuorumDevice quorum(options, members, notes, true, clock);
    std::vector<std::byte> data(granule);
    Request request{Op::read, {}, 0, granule, data, {}, {}, {}};
    CHECK(quorum.execute(request) == 0);
    CHECK(std::ranges::all_of(data, [](std::byte b) { return b == one; }));
    for (std::size_t i = 0; i < 3; i++) {
        CHECK(devices[i]->at(16 * i * 512) == one);
    }
}
