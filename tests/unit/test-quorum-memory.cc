// SPDX-License-Identifier: BSD-3-Clause

// A quorum that remembers: the order of what it writes, and what a server that comes
// after it believes.

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;
using memoryfile::Content;
using memoryfile::MemberState;

namespace {

constexpr std::uint64_t size = 4 << 20;

std::optional<memoryfile::Copy> copy_in(FaultyDevice& device)
{
    const std::vector<std::byte> bytes = device.content();
    return memoryfile::read_copy(
        [&](std::uint64_t offset, std::span<std::byte> into) {
            std::ranges::copy(std::span(bytes).subspan(offset, into.size()), into.begin());
            return 0;
        },
        bytes.size());
}

using Disks = std::vector<std::shared_ptr<FaultyDevice>>;

/// The children and the copies of the memory outlive servers.
struct Machine {
    explicit Machine(std::size_t copies = 1)
    {
        for (int i = 0; i < 3; i++) {
            disks.push_back(std::make_shared<FaultyDevice>(size));
        }
        for (std::size_t i = 0; i < copies; i++) {
            memories.push_back(
                std::make_shared<FaultyDevice>(memoryfile::Layout(size).bytes()));
        }
    }

    Content content() const { return copy_in(*memories.front())->content; }

    Disks disks;
    Disks memories;
};

/// A server on it.
struct Server {
    explicit Server(Machine& on, std::size_t needed = 1) : machine(on)
    {
        for (const auto& device : machine.disks) {
            device->start();  // the server before has stopped it
        }
        for (const auto& device : machine.memories) {
            device->start();
        }
        Content content;
        std::uint64_t newest = 0;
        for (auto& memory : machine.memories) {
            const auto copy = copy_in(*memory);
            if (copy && copy->content.newest >= newest) {
                content = copy->content;
                newest = content.newest;
            }
        }
        if (newest == 0) {
            content.root.set = memoryfile::new_id();
            content.root.device_size = size;
            content.intents.resize(1);
        }
        std::vector<MemoryStore::Place> places;
        for (auto& memory : machine.memories) {
            const auto copy = copy_in(*memory);
            const bool counts = copy && copy->content.newest == newest;
            places.push_back({"m", memory, counts ? copy->slots : std::vector<std::uint8_t>{}});
        }
        Options options;
        options.settle(machine.disks.size());
        std::vector<NewChild> children;
        for (std::size_t i = 0; i < machine.disks.size(); i++) {
            NewChild child{"", machine.disks[i], options.timeout};
            child.member = i;
            memoryfile::Member& member = content.members[i];
            if (newest == 0) {
                member.id = memoryfile::new_id();
                member.state = MemberState::current;
            } else if (member.state != MemberState::current) {
                auto missing = std::make_shared<DirtyBitmap>(size, granule);
                const std::uint64_t map = content.maps[i].empty() ? 0 : content.maps[i][0];
                for (std::uint64_t at = 0; at < size; at += granule) {
                    if (content.intents[0] != 0 || (map >> at / granule & 1) != 0) {
                        missing->set({at, at + granule});
                    }
                }
                child.missing = missing;
            }
            children.push_back(child);
        }
        quorum = std::make_shared<QuorumDevice>(options, std::move(children), notes, true, clock);
        auto store = std::make_unique<MemoryStore>(std::move(places), newest, needed,
                                                   options.timeout, clock);
        auto made = std::make_unique<Memory>(std::move(content), std::move(store), 40s, clock);
        memory = made.get();
        begun = memory->begin();
        quorum->remember(std::move(made));
    }

    int write(ByteRange range, std::byte value)
    {
        const std::vector<std::byte> data(range.length(), value);
        Request request{Op::write, {}, range.begin, range.length(), {}, data, {}, {}};
        return quorum->execute(request);
    }
    std::pair<int, std::byte> read(std::uint64_t at)
    {
        std::vector<std::byte> data(512);
        Request request{Op::read, {}, at, data.size(), data, {}, {}, {}};
        const int error = quorum->execute(request);
        return {error, data[0]};
    }
    /// Some seconds of background work.
    void rest(int seconds = 10)
    {
        for (int i = 0; i < seconds * 2; i++) {
            quorum->housekeep();
            for (int n = 0; n < 100 && quorum->work(); n++) {
            }
            clock.advance(500ms);
        }
    }

    Machine& machine;
    ManualClock clock;
    Notes notes;
    std::shared_ptr<QuorumDevice> quorum;
    Memory* memory = nullptr;
    int begun = -1;
};

}  // namespace

TEST_CASE("an intent is durable before the first child sees a write")
{
    Machine machine;
    Server server(machine);
    REQUIRE(server.begun == 0);
    bool seen = false;
    for (const auto& disk : machine.disks) {
        disk->on_request([&](const Request& request) {
            if (request.op == Op::write) {
                seen = true;
                const auto& memory = *machine.memories.front();
                CHECK(copy_in(const_cast<FaultyDevice&>(memory))->content.intents[0] == 2);
            }
        });
    }
    REQUIRE(server.write({(1 << 20) + 4096, (1 << 20) + 8192}, std::byte{1}) == 0);
    CHECK(seen);
    // On the medium, not in a cache.
    machine.memories.front()->forget_unflushed();
    CHECK(machine.content().intents[0] == 2);
    // A second write there costs nothing.
    const int before = machine.memories.front()->count(Op::write);
    REQUIRE(server.write({1 << 20, (1 << 20) + 4096}, std::byte{2}) == 0);
    CHECK(machine.memories.front()->count(Op::write) == before);
}

TEST_CASE("without an intent nothing is written")
{
    Machine machine;
    Server server(machine);
    machine.memories.front()->fail(Op::flush, EIO);
    CHECK(server.write({0, 4096}, std::byte{1}) == EIO);
    for (const auto& disk : machine.disks) {
        CHECK(disk->count(Op::write) == 0);
    }
    // A copy that has failed is written anew, and then it goes on.
    server.rest();
    CHECK(server.write({0, 4096}, std::byte{1}) == 0);
}

TEST_CASE("who misses a write is recorded before it is acknowledged")
{
    Machine machine;
    Server server(machine);
    REQUIRE(server.write({0, 4096}, std::byte{1}) == 0);
    machine.disks[2]->drop_link();
    server.quorum->housekeep();
    REQUIRE(server.write({0, 4096}, std::byte{2}) == 0);
    machine.memories.front()->forget_unflushed();
    CHECK(machine.content().members[2].state == MemberState::behind);
    CHECK(machine.content().members[1].state == MemberState::current);
}

TEST_CASE("what cannot be recorded is not acknowledged")
{
    Machine machine;
    Server server(machine);
    REQUIRE(server.write({0, 4096}, std::byte{1}) == 0);
    machine.disks[2]->drop_link();
    server.quorum->housekeep();
    machine.memories.front()->fail(Op::flush, EIO);
    CHECK(server.write({0, 4096}, std::byte{2}) == EIO);
}

TEST_CASE("who was behind is not believed by the next server, and is brought up to date")
{
    Machine machine;
    {
        Server server(machine);
        REQUIRE(server.write({0, 4096}, std::byte{1}) == 0);
        machine.disks[2]->drop_link();
        server.quorum->housekeep();
        REQUIRE(server.write({0, 4096}, std::byte{2}) == 0);
    }
    machine.disks[2]->return_link();
    machine.disks[2]->resume();
    machine.disks[1]->fill({0, 4096}, std::byte{1});  // as if it lied: 2 of 3 have the old content
    Server server(machine);
    CHECK(server.quorum->children()[2]->stale().any({0, 4096}));
    machine.disks[1]->fill({0, 4096}, std::byte{2});
    CHECK(server.read(0) == std::pair(0, std::byte{2}));
    server.rest();
    CHECK(machine.disks[2]->at(0) == std::byte{2});
    CHECK(machine.content().members[2].state == MemberState::current);
    CHECK(machine.content().intents[0] == 0);
}

TEST_CASE("intents are cleared late, after a flush, and never while a member is missing")
{
    Machine machine;
    Server server(machine);
    REQUIRE(server.write({0, 4096}, std::byte{1}) == 0);
    machine.disks[0]->on_request([&](const Request& request) {
        // When the intent goes, everything is on the medium.
        if (request.op == Op::read) {
            return;
        }
    });
    CHECK(machine.content().intents[0] == 1);
    server.rest();
    CHECK(machine.content().intents[0] == 0);
    for (const auto& disk : machine.disks) {
        CHECK(disk->on_medium(0) == std::byte{1});
    }
    machine.disks[2]->drop_link();
    server.quorum->housekeep();
    REQUIRE(server.write({0, 4096}, std::byte{2}) == 0);
    server.rest(30);
    CHECK(machine.content().intents[0] == 1);
    machine.disks[2]->return_link();
    server.rest(30);
    CHECK(machine.content().intents[0] == 0);
    CHECK(machine.disks[2]->on_medium(0) == std::byte{2});
}

TEST_CASE("an intent is kept for a member that is away")
{
    Machine machine;
    {
        Server server(machine);
        REQUIRE(server.write({0, 4096}, std::byte{1}) == 0);
        machine.disks[2]->drop_link();
        server.quorum->housekeep();
        REQUIRE(server.write({0, 4096}, std::byte{2}) == 0);
    }
    machine.disks.pop_back();
    Server server(machine);
    REQUIRE(server.write({0, 4096}, std::byte{3}) == 0);
    server.rest(30);
    CHECK(machine.content().members[2].state == MemberState::behind);
    CHECK(machine.content().intents[0] == 1);
}

TEST_CASE("an intent is not cleared by a flush that a child has failed")
{
    Machine machine;
    Server server(machine);
    REQUIRE(server.write({0, 4096}, std::byte{1}) == 0);
    machine.disks[1]->fail(Op::flush, EIO, 1000);
    server.rest(30);
    CHECK(machine.content().intents[0] == 1);
}

TEST_CASE("where a write was under way one version is chosen, written to all, and stays")
{
    Machine machine;
    {
        Server server(machine);
        REQUIRE(server.write({0, 1 << 20}, std::byte{1}) == 0);
    }
    // Sector by sector: one of each.
    machine.disks[0]->fill({0, 512}, std::byte{2});
    machine.disks[1]->fill({0, 512}, std::byte{3});
    // Two against one.
    machine.disks[1]->fill({512, 1024}, std::byte{4});
    machine.disks[2]->fill({512, 1024}, std::byte{4});
    Server server(machine);
    CHECK(server.quorum->settler().unsettled());
    const bool by_reading = GENERATE(true, false);
    if (by_reading) {
        CHECK(server.read(0) == std::pair(0, std::byte{2}));
        CHECK(server.read(512) == std::pair(0, std::byte{4}));
    } else {
        server.rest();
        CHECK_FALSE(server.quorum->settler().unsettled());
        CHECK(server.read(0) == std::pair(0, std::byte{2}));
    }
    for (const auto& disk : machine.disks) {
        CHECK(disk->at(0) == std::byte{2});
        CHECK(disk->at(512) == std::byte{4});
        CHECK(disk->at(1024) == std::byte{1});
    }
}

TEST_CASE("a server that was replaced serves nothing, and leaves the memory alone")
{
    Machine machine;
    Server old(machine);
    REQUIRE(old.write({0, 4096}, std::byte{1}) == 0);
    Server taker(machine);
    REQUIRE(taker.begun == 0);
    const auto memory = machine.memories.front()->content();
    // In a region that has its intent it may go on until it looks, within a second.
    CHECK(old.write({2 << 20, (2 << 20) + 4096}, std::byte{2}) == EIO);
    CHECK(old.memory->fenced());
    CHECK(old.read(0).first == EIO);
    CHECK(old.write({0, 4096}, std::byte{2}) == EIO);
    old.rest();
    CHECK(machine.memories.front()->content() == memory);
    CHECK(taker.write({0, 4096}, std::byte{3}) == 0);
    CHECK(taker.read(0) == std::pair(0, std::byte{3}));
}

TEST_CASE("an idle server notices that it was replaced")
{
    Machine machine;
    Server old(machine);
    Server taker(machine);
    old.rest(3);
    CHECK(old.memory->fenced());
    CHECK_FALSE(taker.memory->fenced());
}

TEST_CASE("a copy that was lost is written anew, and one that another server has is not")
{
    Machine machine(3);
    Server server(machine, 2);
    machine.memories[2]->fail(Op::write, EIO);
    REQUIRE(server.write({0, 4096}, std::byte{1}) == 0);
    CHECK(server.memory->store().good() == 2);
    server.rest(3);
    CHECK(server.memory->store().good() == 3);
    CHECK(copy_in(*machine.memories[2])->content.root == machine.content().root);

    machine.memories[1]->fail(Op::write, EIO);
    machine.memories[2]->fail(Op::write, EIO);
    CHECK(server.write({1 << 20, (1 << 20) + 4096}, std::byte{1}) == EIO);
    Disks others{machine.memories[1], machine.memories[2]};
    Machine there(0);
    there.disks = machine.disks;
    there.memories = others;
    Server taker(there, 2);
    CHECK(taker.begun == 0);
    const auto theirs = machine.memories[2]->content();
    server.rest(3);
    CHECK(server.memory->fenced());
    CHECK(machine.memories[2]->content() == theirs);
}

TEST_CASE("each start is a new epoch")
{
    Machine machine;
    std::uint64_t last = 0;
    for (int i = 0; i < 3; i++) {
        Server server(machine);
        CHECK(machine.content().root.epoch > last);
        last = machine.content().root.epoch;
    }
}

TEST_CASE("a child that is half filled stays half filled, over any number of starts")
{
    Machine machine;
    {
        Server server(machine);
        REQUIRE(server.write({0, size}, std::byte{7}) == 0);
        server.quorum->make_stale("children.2");
        CHECK(machine.content().members[2].state == MemberState::filling);
    }
    machine.disks[2]->fill({0, size}, std::byte{0});
    machine.disks[2]->hold(Op::write);
    for (int i = 0; i < 3; i++) {
        Server server(machine);
        CHECK_FALSE(server.quorum->children()[2]->current({size - 512, size}));
        CHECK(server.read(size - 512) == std::pair(0, std::byte{7}));
    }
}
