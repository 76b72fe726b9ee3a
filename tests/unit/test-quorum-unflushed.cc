// SPDX-License-Identifier: BSD-3-Clause

// What is kept until a flush covers it, and what a child gets back of it that may
// have forgotten it.

#include <thread>

#include <catch2/catch.hpp>

#include "filters/quorum/flush_turns.h"
#include "filters/quorum/unflushed_data.h"
#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

constexpr std::byte none{0};
constexpr std::byte one{1};
constexpr std::byte two{2};
constexpr std::byte three{3};

Buffer filled(std::uint64_t length, std::byte value)
{
    const Buffer buffer = take_buffer(length);
    std::fill(buffer.span().begin(), buffer.span().end(), value);
    return buffer;
}

void put(UnflushedData& kept, ByteRange range, std::byte value)
{
    REQUIRE(kept.admit(range, value != none));
    kept.put(range, value == none ? Buffer{} : filled(range.length(), value));
}

/// What is kept, as "begin-end:value ...".
std::string text_of(const UnflushedData& kept)
{
    std::string text;
    for (const auto& piece : kept.pieces({0, ~0ULL})) {
        const int value = piece.data.memory ? static_cast<int>(piece.data.span()[piece.offset]) : 0;
        text += std::to_string(piece.range.begin) + "-" + std::to_string(piece.range.end) + ":" +
                std::to_string(value) + " ";
    }
    return text;
}

void lose_all_links(TestQuorum& t, bool forget)
{
    for (const auto& device : t.devices) {
        device->drop_link();
        if (forget) {
            device->forget_unflushed();
        }
    }
    t.quorum->housekeep();
    for (const auto& device : t.devices) {
        device->return_link();
    }
    t.settle();
}

Options with_limit(std::uint64_t limit)
{
    Options options;
    options.unflushed_limit = limit;
    return options;
}

}  // namespace

TEST_CASE("what is kept is the newest of each byte")
{
    UnflushedData kept(1 << 20);
    put(kept, {0, 4096}, one);
    put(kept, {8192, 12288}, one);
    CHECK(text_of(kept) == "0-4096:1 8192-12288:1 ");
    put(kept, {1024, 2048}, two);
    put(kept, {3072, 9216}, none);
    CHECK(text_of(kept) == "0-1024:1 1024-2048:2 2048-3072:1 3072-9216:0 9216-12288:1 ");
    put(kept, {0, 16384}, three);
    CHECK(text_of(kept) == "0-16384:3 ");
    CHECK(kept.has_data({0, 512}));
    CHECK_FALSE(kept.has_data({16384, 20000}));
    kept.drop_until(kept.sequence());
    CHECK(text_of(kept).empty());
    CHECK(kept.bytes() == 0);
}

TEST_CASE("what came after the flush had begun is kept, and only that")
{
    UnflushedData kept(1 << 20);
    put(kept, {0, 4096}, one);
    const std::uint64_t sequence = kept.sequence();
    put(kept, {2048, 8192}, two);
    kept.drop_until(sequence);
    CHECK(text_of(kept) == "2048-8192:2 ");
    kept.drop_until(kept.sequence());
    CHECK(kept.bytes() == 0);
}

TEST_CASE("memory has a limit, and what finds no room takes away what it overlaps")
{
    UnflushedData kept(16384);
    put(kept, {0, 4096}, one);
    CHECK_FALSE(kept.wants_flush());
    put(kept, {8192, 12288}, one);
    CHECK(kept.wants_flush());
    CHECK_FALSE(kept.admit({4096, 8192 + 4096}, true));
    CHECK(text_of(kept) == "0-4096:1 ");
    CHECK_FALSE(kept.admit({0, 1 << 20}, true));
    CHECK(text_of(kept).empty());
    CHECK(kept.bytes() == 0);
    // A piece of a block counts as the block.
    put(kept, {0, 8192}, one);
    const std::uint64_t before = kept.bytes();
    put(kept, {0, 4096}, none);
    CHECK(kept.bytes() >= before);
    CHECK(kept.bytes() <= 16384);
    UnflushedData off(0);
    CHECK_FALSE(off.admit({0, 512}, false));
    CHECK_FALSE(off.wants_flush());
}

TEST_CASE("all links are lost: what was acknowledged is read when they are back")
{
    const bool forget = GENERATE(false, true);
    CAPTURE(forget);
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, 2 * granule}, one) == 0);
    REQUIRE(t.flush() == 0);
    REQUIRE(t.write({8192, 12288}, two) == 0);
    REQUIRE(t.write({granule, granule + 512}, two) == 0);
    lose_all_links(t, forget);
    // Nobody is believed before it has been given again what it may have forgotten.
    CHECK(t.read({8192, 12288}).first == EIO);
    CHECK(t.child(0).stale().marked_bytes() == 2 * granule);
    t.resync();
    const auto [error, data] = t.read({0, 2 * granule});
    REQUIRE(error == 0);
    CHECK(data[8191] == one);
    CHECK(data[8192] == two);
    CHECK(data[granule] == two);
    CHECK(data[granule + 512] == one);
    CHECK(t.flush() == 0);
    for (const std::size_t i : {0, 1, 2}) {
        CHECK_FALSE(t.child(i).stale().any());
        CHECK(t.device(i).on_medium(8192) == two);
        CHECK(t.notes.count("resynced children." + std::to_string(i)) == 1);
    }
    CHECK(t.notes.count("failure 8192") == 1);
}

TEST_CASE("links that are lost again before a flush")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, 4096}, one) == 0);
    for (int i = 0; i < 3; i++) {
        lose_all_links(t, true);
        REQUIRE(t.device(1).at(0) == none);
        // The resync of each ends with a flush of that child; not here.
        while (t.child(0).stale().any() || t.child(1).stale().any() || t.child(2).stale().any()) {
            REQUIRE(t.quorum->work());
        }
        CHECK(t.read({0, 4096}).second[0] == one);
    }
}

TEST_CASE("a write that all links cut off is on all children afterwards, or on none")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, 4096}, one) == 0);
    REQUIRE(t.flush() == 0);
    t.device(0).hold(Op::write, FaultyDevice::Lands::at_once);
    t.device(1).hold(Op::write);
    t.device(2).hold(Op::write);
    t.clock.after(1s, [&] {
        for (const auto& device : t.devices) {
            device->drop_link();
            device->hold_none();
        }
        // The loss is known before the write has been noted.
        t.quorum->housekeep();
    });
    CHECK(t.write({0, 4096}, two) != 0);
    REQUIRE(t.device(0).at(0) == two);
    REQUIRE(t.device(1).at(0) == one);
    for (const auto& device : t.devices) {
        device->return_link();
    }
    t.settle();
    t.resync();
    CHECK(t.read({0, 4096}).first == 0);
    CHECK(t.device(1).at(0) == t.device(0).at(0));
    CHECK(t.device(2).at(0) == t.device(0).at(0));
}

TEST_CASE("what a child has missed is written again, and no more than that")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, granule}, one) == 0);
    REQUIRE(t.flush() == 0);
    t.device(2).fail(Op::write, EIO);
    REQUIRE(t.write({512, 1024}, two) == 0);
    CHECK_FALSE(t.child(2).current({0, 512}));
    SECTION("it failed") {}
    SECTION("it was away, too")
    {
        t.device(2).drop_link();
        t.settle();
        REQUIRE(t.write({2048, 2560}, three) == 0);
        t.device(2).return_link();
        t.settle();
    }
    const int reads = t.device(0).count(Op::read);
    t.resync();
    CHECK(t.device(2).content() == t.device(0).content());
    CHECK(t.device(0).count(Op::read) == reads);
    CHECK(t.child(2).counters.resynced_bytes <= 1024);
    CHECK(t.child(2).current());
}

TEST_CASE("each child has missed another write of a granule, and what is right is known")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    for (const std::size_t i : {0, 1, 2}) {
        t.device(i).fail(Op::write, EIO);
        REQUIRE(t.write({i * 4096, (i + 1) * 4096}, one) == 0);
    }
    CHECK(t.read({0, 512}).second[0] == one);  // by a vote on each sector
    const int reads = t.device(0).count(Op::read);
    t.resync();
    CHECK(t.device(0).count(Op::read) == reads);
    for (const std::size_t i : {0, 1, 2}) {
        CHECK(t.child(i).current());
        CHECK(t.device(i).at(i * 4096) == one);
    }
}

TEST_CASE("a write that is not kept, missed where a child is replayable, has to be copied")
{
    TestQuorum t(3, 16 * granule, with_limit(6000));
    REQUIRE(t.write({0, 4096}, one) == 0);
    t.device(2).drop_link();
    t.settle();
    REQUIRE(t.child(2).replayable().any());
    REQUIRE(t.write({4096, 8192}, two) == 0);  // no room
    CHECK_FALSE(t.child(2).replayable().any());
    CHECK(t.child(2).stale().any());
    t.device(2).return_link();
    t.settle();
    t.resync();
    CHECK(t.device(2).content() == t.device(0).content());
}

TEST_CASE("what has made room for a write that failed is not replayed")
{
    TestQuorum t(3, 16 * granule, with_limit(6000));
    t.device(2).drop_link();
    t.settle();
    REQUIRE(t.write({0, 4096}, one) == 0);
    REQUIRE(t.child(2).replayable().any());
    for (const std::size_t i : {0, 1}) {
        t.device(i).fail(Op::write, EIO);
    }
    REQUIRE(t.write({2048, 6144}, two) == EIO);  // no room: it takes a part of the first away
    CHECK_FALSE(t.child(2).replayable().any());
    t.device(2).return_link();
    t.settle();
    t.resync();
    CHECK(t.device(2).content() == t.device(0).content());
}

TEST_CASE("a write that some were asked, and that failed as a whole, is on all afterwards")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, 4096}, one) == 0);
    REQUIRE(t.flush() == 0);
    t.device(2).drop_link();
    t.settle();
    t.device(1).hold(Op::write);
    t.clock.after(1s, [&] {
        t.device(1).drop_link();
        t.device(1).hold_none();
    });
    CHECK(t.write({0, 4096}, two) != 0);  // A has it
    for (const std::size_t i : {1, 2}) {
        t.device(i).return_link();
    }
    t.settle();
    t.resync();
    for (const std::size_t i : {0, 1, 2}) {
        CHECK(t.device(i).at(0) == two);
    }
    CHECK(t.read({0, 4096}).second[0] == two);
}

TEST_CASE("a write that came after the links were lost, and was noted, is on all afterwards")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    bool lost = false;
    t.device(0).on_request([&](const Request& request) {
        if (request.op == Op::write && !std::exchange(lost, true)) {
            t.device(1).drop_link();
            t.device(2).drop_link();
            t.quorum->housekeep();  // before they are asked
        }
    });
    REQUIRE(t.write({0, 512}, one) != 0);
    REQUIRE(lost);
    for (const std::size_t i : {1, 2}) {
        t.device(i).return_link();
    }
    t.settle();
    t.resync();
    for (const std::size_t i : {0, 1, 2}) {
        CHECK(t.device(i).at(0) == one);
        CHECK(t.child(i).current());
    }
}

TEST_CASE("what is not kept is stale for good, as far as it goes")
{
    TestQuorum t(3, 16 * granule, with_limit(6000));
    REQUIRE(t.write({0, 4096}, one) == 0);
    REQUIRE(t.write({granule, granule + 4096}, one) == 0);  // no room
    lose_all_links(t, false);
    t.resync();
    CHECK(t.read({0, 4096}).first == 0);
    CHECK(t.read({granule, granule + 4096}).first == EIO);
    CHECK(t.child(0).stale().marked_bytes() == granule);
}

TEST_CASE("what is kept never lands on top of something newer that is not")
{
    TestQuorum t(3, 16 * granule, with_limit(6000));
    REQUIRE(t.write({0, 4096}, one) == 0);
    REQUIRE(t.write({0, 4096}, two) == 0);  // no room
    // Durable on A alone, so that the flush as a whole ends nothing.
    t.device(1).fail(Op::flush, EIO);
    t.device(2).fail(Op::flush, EIO);
    REQUIRE(t.flush() != 0);
    REQUIRE(t.write({8192, 8704}, three) == 0);
    t.device(0).drop_link();
    t.device(0).forget_unflushed();
    t.settle();
    REQUIRE(t.child(0).replayable().any());
    t.device(0).return_link();
    t.settle();
    t.resync();
    CHECK(t.child(0).current());
    CHECK(t.device(0).at(0) == two);
    CHECK(t.device(0).at(8192) == three);
}

TEST_CASE("what the resync has copied is not kept: it is stale when it may be forgotten")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, granule}, one) == 0);
    REQUIRE(t.flush() == 0);
    t.child(2).missed({0, granule});
    t.device(2).fill({0, granule}, none);
    while (t.child(2).stale().any()) {  // not to its end, which flushes
        REQUIRE(t.quorum->work());
    }
    t.device(2).drop_link();
    t.device(2).forget_unflushed();
    t.device(2).return_link();
    t.settle();
    CHECK(t.child(2).stale().any());
    CHECK_FALSE(t.child(2).replayable().any());
    t.resync();
    CHECK(t.device(2).at(0) == one);
}

TEST_CASE("a flush ends what is kept; who has not flushed is copied to")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, 4096}, one) == 0);
    SECTION("because it is away")
    {
        t.device(2).drop_link();
        t.device(2).forget_unflushed();
        t.settle();
        REQUIRE(t.child(2).replayable().any());
        REQUIRE(t.flush() == 0);
        t.device(2).return_link();
    }
    SECTION("because it did not answer")
    {
        t.device(2).hold(Op::flush);
        REQUIRE(t.flush() == 0);
        t.device(2).drop_link();
        t.device(2).hold_none();
        t.device(2).forget_unflushed();
        t.device(2).return_link();
    }
    t.settle();
    CHECK_FALSE(t.child(2).replayable().any());
    CHECK(t.child(2).stale().any({0, 4096}));
    t.resync();
    CHECK(t.device(2).at(0) == one);
    CHECK(t.child(2).current());
}

TEST_CASE("a replay that fails is tried again, and nothing is believed meanwhile")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, 4096}, one) == 0);
    t.device(1).fail(Op::write, EIO, 1);
    t.device(2).fail(Op::write, EIO, 1);
    lose_all_links(t, true);
    t.resync();
    CHECK(t.read({0, 4096}).first == EIO);
    t.clock.advance(2s);
    t.resync();
    CHECK(t.read({0, 4096}).second[0] == one);
    CHECK(t.child(1).current());
}

TEST_CASE("a link that is lost during a replay leaves the child as it was")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 20));
    REQUIRE(t.write({0, 4096}, one) == 0);
    t.device(2).drop_link();
    t.device(2).return_link();
    t.settle();
    bool once = true;
    t.device(2).on_request([&](const Request& request) {
        if (request.op == Op::write && std::exchange(once, false)) {
            t.clock.after(1ms, [&] {
                t.quorum->housekeep();
            });
        }
    });
    t.device(2).hold(Op::write, FaultyDevice::Lands::at_once);
    t.clock.after(2ms, [&] {
        // Answered, and lost before that has been noted.
        t.device(2).release_all();
        t.device(2).drop_link();
        t.device(2).forget_unflushed();
        t.quorum->housekeep();
    });
    t.quorum->work();
    CHECK(t.child(2).stale().any({0, 4096}));
    t.device(2).return_link();
    t.settle();
    t.resync();
    CHECK(t.device(2).at(0) == one);
}

TEST_CASE("a flush of our own that fails is told to the client that flushes next")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 10));
    for (std::uint64_t i = 0; i < 7; i++) {
        REQUIRE(t.write({i * granule, i * granule + 8192}, one) == 0);
    }
    SECTION("two disks have said that they lost something")
    {
        t.device(1).fail(Op::flush, EIO);
        t.device(2).fail(Op::flush, EIO);
        t.resync();
        REQUIRE(t.device(1).count(Op::flush) == 1);
        CHECK(t.flush() == EIO);
    }
    SECTION("one disk has: it is not believed, and the others have it")
    {
        t.device(1).fail(Op::flush, EIO);
        t.resync();
    }
    CHECK(t.flush() == 0);
}

TEST_CASE("half full, it is flushed in the background")
{
    TestQuorum t(3, 16 * granule, with_limit(64 << 10));
    for (std::uint64_t i = 0; i < 6; i++) {
        REQUIRE(t.write({i * granule, i * granule + 4096}, one) == 0);
    }
    t.resync();
    CHECK(t.device(0).count(Op::flush) == 0);
    REQUIRE(t.write({6 * granule, 6 * granule + 8192}, one) == 0);
    t.resync();
    CHECK(t.device(0).count(Op::flush) == 1);
    lose_all_links(t, true);
    CHECK_FALSE(t.child(0).stale().any());
    // A flush that fails is not repeated all the time.
    for (const std::size_t i : {0, 1, 2}) {
        t.device(i).fail(Op::flush, EIO, 1000);
    }
    for (std::uint64_t i = 0; i < 7; i++) {
        REQUIRE(t.write({i * granule, i * granule + 8192}, two) == 0);
    }
    t.resync();
    CHECK(t.device(0).count(Op::flush) == 2);
    t.clock.advance(2s);
    t.resync();
    CHECK(t.device(0).count(Op::flush) == 3);
}

TEST_CASE("files forget nothing, so nothing is kept for them")
{
    std::vector<std::shared_ptr<FaultyDevice>> files;
    std::vector<NewChild> children;
    Options options = with_limit(8192);
    options.settle(3);
    for (int i = 0; i < 3; i++) {
        files.push_back(std::make_shared<FaultyDevice>(16 * granule));
        files.back()->traits().forgets_unflushed = false;
        children.push_back({"", files.back(), options.timeout});
    }
    Notes notes;
    ManualClock clock;
    QuorumDevice quorum(options, children, notes, true, clock);
    const std::vector<std::byte> data(granule, one);
    Request request{Op::write, {}, 0, granule, {}, data, {}, {}};
    REQUIRE(quorum.execute(request) == 0);
    while (quorum.work()) {
    }
    CHECK(files[0]->count(Op::flush) == 0);
    files[0]->drop_link();
    quorum.housekeep();
    CHECK(quorum.children()[0]->stale().any());
    CHECK_FALSE(quorum.children()[0]->replayable().any());
}

namespace {

/// Real time, and tells how many wait.
class WatchedClock final : public Clock {
public:
    TimePoint now() const override { return real_clock().now(); }
    bool wait_until(std::condition_variable& condition, std::unique_lock<std::mutex>& lock,
                    TimePoint deadline, const std::function<bool()>& ready) override
    {
        waiting += !ready();
        return real_clock().wait_until(condition, lock, deadline, ready);
    }
    std::atomic<int> waiting{0};
};

}  // namespace

TEST_CASE("flushes that come during one are one, and begin after they came")
{
    WatchedClock clock;
    FlushTurns turns(clock);
    std::atomic<int> flushes{0};
    std::vector<std::thread> others;
    const TimePoint deadline = clock.now() + 60s;
    CHECK(turns.take(deadline, [&] {
        flushes++;
        for (int i = 0; i < 4; i++) {
            others.emplace_back([&] {
                CHECK(turns.take(deadline, [&] { return ++flushes == 2 ? ENOSPC : 0; }) == ENOSPC);
            });
        }
        while (clock.waiting < 4) {
            std::this_thread::yield();
        }
        CHECK(flushes == 1);
        return 0;
    }) == 0);
    for (std::thread& other : others) {
        other.join();
    }
    CHECK(flushes == 2);
    CHECK(turns.take(deadline, [] { return 0; }) == 0);
    CHECK(turns.take(deadline, []() -> int { throw std::bad_alloc(); }) == EIO);
    CHECK(turns.take(deadline, [] { return 0; }) == 0);
}
