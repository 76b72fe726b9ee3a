// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>

#include <atomic>
#include <new>
#include <stdexcept>
#include <thread>

#include "filters/logwrites/superblock_commit.h"
#include "tests/unit/logwrites_test.h"

using namespace logwrites_test;
using Outcome = SuperblockCommit::Outcome;
using Slot = SlotList::Slot;

namespace {

constexpr std::chrono::seconds deadline{30};

/// Waits until `condition` holds; it is asked without the mutex.
template <typename Condition>
void await(Condition condition)
{
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            throw std::runtime_error("nothing has happened");
        }
        std::this_thread::yield();
    }
}

struct Committing {
    explicit Committing(bool sync = true, std::chrono::milliseconds patience = deadline)
        : commit(output, slots, super, sync, patience)
    {
        storage.before_write = [this](std::uint64_t) {
            writes++;
            return 0;
        };
    }

    SuperblockCommit::Result operator()(std::uint64_t entries, bool durable = false)
    {
        std::unique_lock lock(mutex);
        return commit.commit(lock, entries, durable);
    }
    void reserve(Slot& slot)
    {
        const std::lock_guard lock(mutex);
        slots.reserve(slot, 1);
    }
    void finish(Slot& slot, bool failed = false)
    {
        const std::lock_guard lock(mutex);
        slots.finish(slot);
        if (failed) {
            slots.end_before(slot.first);
        }
        commit.slots_changed();
    }
    /// A write waits as long as `hold` is true.
    void hold_writes(const std::atomic<bool>& hold)
    {
        storage.before_write = [this, &hold](std::uint64_t) {
            writes++;
            await([&] { return !hold; });
            return 0;
        };
    }
    void add()
    {
        Slot slot;
        reserve(slot);
        finish(slot);
    }
    /// What stands on the disk.
    std::uint64_t count() const
    {
        const Bytes bytes = storage.bytes();
        return writelog::decode_superblock(bytes)->entries;
    }

    MemoryStorage storage;
    EntryOutput output{storage, 512, true};
    writelog::Superblock super{.sector_size = 512};
    std::mutex mutex;
    SlotList slots{0};
    SuperblockCommit commit;
    std::atomic<int> writes{0};
};

}  // namespace

TEST_CASE("a commit takes in all that is complete, and the next one need not write")
{
    Committing c;
    c.add();
    c.add();
    CHECK(c(1).outcome == Outcome::done);
    CHECK(c.count() == 2);
    CHECK(c(2).outcome == Outcome::done);
    CHECK(c.writes == 1);
    CHECK(c.storage.syncs() == 0);
    // Counted, but not on the medium yet.
    CHECK(c(2, true).outcome == Outcome::done);
    CHECK(c.storage.syncs() == 1);
    CHECK(c(1, true).outcome == Outcome::done);
    CHECK(c.writes == 2);
}

TEST_CASE("without sync nothing is made durable, and nobody waits for it")
{
    Committing c(false);
    c.add();
    CHECK(c(1, true).outcome == Outcome::done);
    CHECK(c(1, true).outcome == Outcome::done);
    CHECK(c.writes == 1);
    CHECK(c.storage.syncs() == 0);
}

TEST_CASE("those that wait while one commits are served by one more write")
{
    Committing c;
    std::atomic<bool> hold{true};
    c.hold_writes(hold);
    c.add();
    std::vector<std::thread> threads;
    std::atomic<int> done{0};
    const auto start = [&](std::uint64_t entries) {
        threads.emplace_back([&, entries] { done += c(entries).outcome == Outcome::done ? 1 : 0; });
    };
    start(1);
    await([&] { return c.writes == 1; });
    for (std::uint64_t entries = 2; entries <= 5; entries++) {
        c.add();
        start(entries);
    }
    hold = false;
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(done == 5);
    CHECK(c.writes == 2);
    CHECK(c.count() == 5);
}

TEST_CASE("a commit waits for the entries before its own")
{
    Committing c;
    std::atomic<bool> finished{false}, early{false};
    c.storage.before_write = [&](std::uint64_t) {
        early = early || !finished;
        return 0;
    };
    Slot first;
    c.reserve(first);
    c.add();
    SuperblockCommit::Result result;
    std::thread thread([&] { result = c(2); });
    finished = true;
    c.finish(first);
    thread.join();
    CHECK(result.outcome == Outcome::done);
    CHECK_FALSE(early);
    CHECK(c.count() == 2);
}

TEST_CASE("if an entry before fails, what is complete is counted, and the rest is out of reach")
{
    Committing c;
    c.add();
    Slot failing;
    c.reserve(failing);
    c.add();
    SuperblockCommit::Result result;
    std::thread thread([&] { result = c(3); });
    c.finish(failing, true);
    thread.join();
    CHECK(result.outcome == Outcome::unreachable);
    CHECK(c(1).outcome == Outcome::done);
    CHECK(c.count() == 1);
    CHECK(c(2).outcome == Outcome::unreachable);
}

TEST_CASE("an entry that hangs ends the log before it")
{
    Committing c(true, std::chrono::milliseconds(20));
    c.add();
    Slot hanging;
    c.reserve(hanging);
    const auto result = c(2);
    CHECK(result.outcome == Outcome::failed);
    CHECK(result.entry == 1);
    CHECK(result.error == ETIMEDOUT);
    CHECK(c.writes == 0);
    c.finish(hanging);
    CHECK(c(2).outcome == Outcome::done);
}

TEST_CASE("a commit that hangs ends the log for those that wait behind it")
{
    Committing c(true, std::chrono::milliseconds(20));
    std::atomic<bool> hold{true};
    c.hold_writes(hold);
    c.add();
    std::thread thread([&] { c(1); });
    await([&] { return c.writes == 1; });
    c.add();
    const auto result = c(2);
    CHECK(result.outcome == Outcome::failed);
    CHECK(result.error == ETIMEDOUT);
    hold = false;
    thread.join();
}

TEST_CASE("a superblock that is not written, for whatever reason, ends the log where it was tried")
{
    Committing c;
    c.add();
    // Another entry is complete by the time that the write fails.
    c.storage.before_write = [&](std::uint64_t) -> int {
        c.add();
        return ETIMEDOUT;
    };
    auto result = c(1);
    CHECK(result.outcome == Outcome::failed);
    CHECK(result.entry == 1);
    CHECK(result.error == ETIMEDOUT);
    CHECK(c.commit.counted() == 0);

    c.storage.before_write = [](std::uint64_t) -> int { throw std::bad_alloc(); };
    result = c(1);
    CHECK(result.outcome == Outcome::failed);
    CHECK(result.error == ENOMEM);
    // And nobody is taken to be at it still.
    c.storage.before_write = nullptr;
    CHECK(c(1).outcome == Outcome::done);
}
