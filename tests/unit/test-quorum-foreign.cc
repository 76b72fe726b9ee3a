// SPDX-License-Identifier: BSD-3-Clause

// Is this the disk that we left?  What a quorum with a memory makes of members that were
// replaced, restored or exchanged, while no server ran and while one did.

#include <algorithm>

#include <catch2/catch.hpp>

#include "filters/quorum/memory_plan.h"
#include "filters/quorum/status.h"
#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;
using memoryfile::Content;
using memoryfile::MemberState;

namespace {

constexpr std::uint64_t all = 4 << 20;  // bytes of the device
constexpr std::size_t members = 3;

/// A file that says so if another one is at its path.
class PathDevice : public FaultyDevice {
public:
    PathDevice() : FaultyDevice(all) {}
    bool may_be_as_before() const override { return as_before; }
    void set(const std::vector<std::byte>& content)
    {
        for (std::uint64_t at = 0; at < all; at += 512) {
            fill({at, at + 512}, content[at]);
        }
    }

    bool as_before = true;
};

struct Machine {
    Machine()
    {
        for (std::size_t i = 0; i < members; i++) {
            disks.push_back(std::make_shared<PathDevice>());
        }
    }
    std::optional<memoryfile::Copy> copy() const
    {
        const std::vector<std::byte> bytes = memory->content();
        return memoryfile::read_copy(
            [&](std::uint64_t offset, std::span<std::byte> into) {
                std::ranges::copy(std::span(bytes).subspan(offset, into.size()), into.begin());
                return 0;
            },
            bytes.size());
    }
    MemberState state(std::size_t i) const { return copy()->content.members[i].state; }

    std::vector<std::shared_ptr<PathDevice>> disks;
    std::shared_ptr<FaultyDevice> memory =
        std::make_shared<FaultyDevice>(memoryfile::Layout(all).bytes());
};

/// As QuorumModule starts one; with a refusal there is none.
struct Server {
    explicit Server(Machine& on, const std::string& force = {}) : machine(on)
    {
        const auto copy = machine.copy();
        std::vector<Candidate> candidates;
        for (std::size_t i = 0; i < members; i++) {
            machine.disks[i]->start();
            Candidate candidate;
            candidate.spec = candidate.label = "/disk" + std::to_string(i);
            candidate.present = machine.disks[i]->link() == Link::up;
            if (copy && candidate.present && force.empty()) {
                const std::vector<std::byte> held = machine.disks[i]->content();
                for (const WitnessPlace& place : comparable_places(copy->content, i)) {
                    candidate.seen.add(place,
                                       std::span(held).subspan(place.offset, witness_block));
                }
            }
            candidates.push_back(candidate);
        }
        machine.memory->start();
        Wishes wishes;
        wishes.threshold = 2;
        wishes.force_start = force;
        const Plan plan = plan_start(copy ? &copy->content : nullptr, candidates, wishes);
        refusal = plan.refusal;
        if (refusal.empty()) {
            begin(copy, candidates, plan);
        }
    }
    ~Server()
    {
        if (quorum) {
            quorum->stop(100ms);
        }
    }

    void begin(const std::optional<memoryfile::Copy>& copy,
               const std::vector<Candidate>& candidates, const Plan& plan)
    {
        Content content = first_content(copy ? &copy->content : nullptr, plan, candidates, all);
        const Content before = copy ? copy->content : content;
        Options options;
        options.settle(members);
        std::vector<NewChild> children;
        for (std::size_t i = 0; i < members; i++) {
            const Role& role = plan.roles[i];
            NewChild child{"", machine.disks[i], options.timeout};
            child.member = role.place;
            child.missing = missing_of(before, role);
            child.unseen = !candidates[i].present;
            child.foreign = role.state == MemberState::foreign ? "test" : "";
            children.push_back(child);
        }
        quorum = std::make_shared<QuorumDevice>(options, std::move(children), notes, true, clock);
        std::vector<MemoryStore::Place> places{
            {"m", machine.memory, copy ? copy->slots : std::vector<std::uint8_t>{}}};
        auto store = std::make_unique<MemoryStore>(std::move(places), before.newest, 1,
                                                   options.timeout, clock);
        auto made = std::make_unique<Memory>(std::move(content), std::move(store), 40s, clock);
        memory = made.get();
        REQUIRE(memory->begin() == 0);
        quorum->remember(std::move(made));
        if (plan.source) {
            quorum->begin_from("children." + std::to_string(*plan.source));
        }
    }
    int write(ByteRange range, int value)
    {
        const std::vector<std::byte> data(range.length(), std::byte(value));
        Request request{Op::write, {}, range.begin, range.length(), {}, data, {}, {}};
        return quorum->execute(request);
    }
    std::pair<int, int> read(std::uint64_t at)
    {
        std::vector<std::byte> data(512);
        Request request{Op::read, {}, at, data.size(), data, {}, {}, {}};
        const int error = quorum->execute(request);
        return {error, std::to_integer<int>(data[0])};
    }
    void rest(int seconds = 12)
    {
        for (int i = 0; i < seconds * 2; i++) {
            quorum->housekeep();
            for (int n = 0; n < 200 && quorum->work(); n++) {
            }
            clock.advance(500ms);
        }
    }
    Child& child(std::size_t i) { return *quorum->children()[i]; }
    bool is_untouched(std::size_t i)
    {
        PathDevice& disk = *machine.disks[i];
        return disk.count(Op::write) + disk.count(Op::zero) == writes_before;
    }
    void look_at(std::size_t i)
    {
        writes_before = machine.disks[i]->count(Op::write) + machine.disks[i]->count(Op::zero);
    }

    Machine& machine;
    ManualClock clock;
    Notes notes;
    std::string refusal;
    std::shared_ptr<QuorumDevice> quorum;
    Memory* memory = nullptr;
    int writes_before = 0;
};

/// A machine on which a server has written all of the device, and has ended in peace.
Machine used_machine()
{
    Machine machine;
    Server server(machine);
    REQUIRE(server.write({0, all}, 7) == 0);
    server.rest();
    REQUIRE(machine.copy()->content.intents[0] == 0);
    return machine;
}

void make_empty(PathDevice& disk)
{
    disk.fill({0, all}, std::byte{0});
}

/// Loses its link, and is there again as another file.
void replace_while_running(Server& server, std::size_t i)
{
    PathDevice& disk = *server.machine.disks[i];
    disk.drop_link();
    server.quorum->housekeep();
    disk.as_before = false;
    disk.return_link();
}

}  // namespace

TEST_CASE("the places are learned early, and those of a region again when it is cleared")
{
    Machine machine;
    Server server(machine);
    CHECK(server.memory->witnessed() == 0);
    server.rest(8);
    CHECK(server.memory->witnessed() == most_spread);
    // A place that is not one of the spread.
    REQUIRE(server.write({(1 << 20) + 8192, (1 << 20) + 12288}, 5) == 0);
    server.rest(8);
    CHECK(server.memory->witnessed() == most_spread + 1);
    const auto known = machine.copy()->content.witness;
    REQUIRE(known.recent.size() == 1);
    const std::vector<std::byte> content(witness_block, std::byte{5});
    CHECK(known.recent[0] == WitnessPlace{(1 << 20) + 8192, digest_of(content)});
}

TEST_CASE("what is remembered of a region is durable before its intent is cleared")
{
    Machine machine;
    Server server(machine);
    const std::vector<std::byte> content(witness_block, std::byte{5});
    const WitnessPlace written{0, digest_of(content)};
    bool intended = false;
    machine.memory->on_request([&](const Request&) {
        const Content now = machine.copy()->content;
        const bool intent = now.intents[0] != 0;
        intended = intended || intent;
        CHECK((!intended || intent || std::ranges::count(now.witness.spread, written) == 1));
    });
    REQUIRE(server.write({0, 4096}, 5) == 0);
    server.rest();
    machine.memory->on_request(nullptr);
    CHECK(intended);
    CHECK(machine.copy()->content.intents[0] == 0);
    // The intent stays if it cannot be written what is there.
    REQUIRE(server.write({0, 4096}, 6) == 0);
    machine.memory->fail(Op::write, EIO, 1000);
    server.rest();
    CHECK(server.memory->has_intent({0, 4096}));
}

TEST_CASE("a place on which the members do not agree is not remembered")
{
    Machine machine;
    machine.disks[2]->fill({0, 512}, std::byte{1});
    Server server(machine);
    server.rest(8);
    CHECK(server.memory->witnessed() == most_spread - 1);
}

TEST_CASE("who is away is not measured by what the others have meanwhile")
{
    Machine machine;
    machine.disks[2]->fill({0, 512}, std::byte{1});
    Server server(machine);
    server.rest(8);
    machine.disks[2]->drop_link();
    server.rest(70);
    CHECK(server.memory->witnessed() == most_spread - 1);
    machine.disks[2]->return_link();
    server.rest(3);
    CHECK_FALSE(server.child(2).foreign());
    CHECK(server.child(2).online());
}

TEST_CASE("an empty disk in the place of one is foreign: not believed, not written, not filled")
{
    Machine machine = used_machine();
    make_empty(*machine.disks[2]);
    for (int start = 0; start < 3; start++) {
        Server server(machine);
        REQUIRE(server.refusal.empty());
        server.look_at(2);
        CHECK(server.child(2).foreign());
        REQUIRE(server.write({0, 4096}, 8 + start) == 0);
        CHECK(server.read(0) == std::pair(0, 8 + start));
        server.rest();
        CHECK(server.is_untouched(2));
        CHECK(machine.disks[2]->at(0) == std::byte{0});
        CHECK(machine.state(2) == MemberState::foreign);
    }
}

TEST_CASE("two empty disks do not outvote the one that is left")
{
    Machine machine = used_machine();
    make_empty(*machine.disks[1]);
    make_empty(*machine.disks[2]);
    const Server server(machine);
    CHECK_THAT(server.refusal,
               Catch::Contains("1 of the members that are there are current") &&
                   Catch::Contains("'/disk1' is foreign, another disk or an old copy: ") &&
                   Catch::Contains("quorum-force-start=NAME"));
    CHECK(machine.disks[0]->at(0) == std::byte{7});
    // By a word of a person, what was left there counts no more.
    Server forced(machine, "/disk0");
    REQUIRE(forced.refusal.empty());
    forced.rest();
    CHECK(machine.disks[1]->at(all - 1) == std::byte{7});
    CHECK(machine.disks[2]->at(all - 1) == std::byte{7});
}

TEST_CASE("a disk that was restored from an old copy is foreign, however little is old")
{
    Machine machine = used_machine();
    const std::vector<std::byte> old = machine.disks[2]->content();
    {
        Server server(machine);
        REQUIRE(server.write({(2 << 20) + 4096, (2 << 20) + 8192}, 9) == 0);
        server.rest();
        REQUIRE(machine.copy()->content.intents[0] == 0);
    }
    machine.disks[2]->set(old);
    Server server(machine);
    REQUIRE(server.refusal.empty());
    CHECK(server.child(2).foreign());
    CHECK_FALSE(server.child(1).foreign());
}

TEST_CASE("where writes may have been under way nobody is accused")
{
    Machine machine = used_machine();
    {
        Server server(machine);
        REQUIRE(server.write({0, 4096}, 9) == 0);  // and is killed
    }
    machine.disks[2]->fill({0, 4096}, std::byte{7});
    Server server(machine);
    REQUIRE(server.refusal.empty());
    CHECK_FALSE(server.child(2).foreign());
    CHECK(server.read(0) == std::pair(0, 9));
}

TEST_CASE("where a member is known to miss something it is not accused")
{
    Machine machine = used_machine();
    {
        Server server(machine);
        machine.disks[2]->drop_link();
        server.quorum->housekeep();
        REQUIRE(server.write({0, 4096}, 9) == 0);
        server.rest(5);
    }
    machine.disks[2]->return_link();
    machine.disks[2]->resume();
    Server server(machine);
    REQUIRE(server.refusal.empty());
    CHECK_FALSE(server.child(2).foreign());
    server.rest();
    CHECK(machine.disks[2]->at(0) == std::byte{9});
    CHECK(machine.state(2) == MemberState::current);
}

TEST_CASE("an old memory is not believed against members that agree")
{
    Machine machine = used_machine();
    const std::vector<std::byte> old = machine.memory->content();
    {
        Server server(machine);
        REQUIRE(server.write({0, all}, 9) == 0);
        server.rest();
    }
    for (std::uint64_t at = 0; at < old.size(); at++) {
        machine.memory->fill({at, at + 1}, old[at]);
    }
    const Server server(machine);
    CHECK_THAT(server.refusal, Catch::Contains("it is the memory that is old") &&
                                   Catch::Contains("quorum-force-start=NAME"));
    for (const auto& disk : machine.disks) {
        CHECK(disk->at(0) == std::byte{9});
    }
}

TEST_CASE("what somebody has called right is not held against what was left there before")
{
    Machine machine = used_machine();
    {
        Server server(machine);
        machine.disks[0]->fill({0, 4096}, std::byte{9});
        server.quorum->settle_from("children.0", {0, 4096});
        CHECK(server.memory->has_intent({0, 4096}));
        server.rest();
        REQUIRE(machine.disks[2]->at(0) == std::byte{9});
    }
    const Server server(machine);
    CHECK(server.refusal.empty());
}

TEST_CASE("a disk that is replaced while the server runs is foreign")
{
    const bool as_server = GENERATE(false, true);  // an NBD server cannot say what it is
    Machine machine = used_machine();
    Server server(machine);
    replace_while_running(server, 2);
    machine.disks[2]->as_before = as_server;
    make_empty(*machine.disks[2]);
    server.look_at(2);
    REQUIRE(server.write({0, 4096}, 9) == 0);
    server.rest();
    CHECK(server.child(2).foreign());
    CHECK(server.notes.count("foreign children.2") == 1);
    CHECK_FALSE(server.child(2).online());
    CHECK(server.is_untouched(2));
    CHECK(machine.state(2) == MemberState::foreign);
    CHECK(server.read(0) == std::pair(0, 9));
    const Verdict verdict = judge(facts_of(*server.quorum));
    CHECK(verdict.word == Word::degraded);
    CHECK_THAT(verdict.details.front(), Catch::Contains("foreign"));
    CHECK_THAT(verdict.advice.front(), Catch::Contains("child-accept child=children.2"));
    // Lost and back once more it is still not used.
    machine.disks[2]->drop_link();
    server.quorum->housekeep();
    machine.disks[2]->return_link();
    server.rest(3);
    CHECK_FALSE(server.child(2).online());
    server.quorum->accept_child("children.2");
    server.rest();
    CHECK(server.child(2).current());
    CHECK(machine.disks[2]->at(0) == std::byte{9});
    CHECK(machine.disks[2]->at(all - 1) == std::byte{7});
}

TEST_CASE("what was written since a digest was taken is not held against who comes back")
{
    Machine machine = used_machine();
    Server server(machine);
    REQUIRE(server.write({0, 4096}, 9) == 0);
    Request flush;
    flush.op = Op::flush;
    REQUIRE(server.quorum->execute(flush) == 0);  // so that nothing is stale
    machine.disks[2]->drop_link();
    server.quorum->housekeep();
    machine.disks[2]->return_link();
    server.quorum->housekeep();
    CHECK(server.child(2).current());
}

TEST_CASE("where a child is stale it is not held against it what is there")
{
    Machine machine = used_machine();
    Server server(machine);
    server.quorum->make_stale("children.2");
    make_empty(*machine.disks[2]);
    machine.disks[2]->drop_link();
    server.quorum->housekeep();
    machine.disks[2]->return_link();
    server.rest();
    CHECK_FALSE(server.child(2).foreign());
    CHECK(machine.disks[2]->at(all - 1) == std::byte{7});
}

TEST_CASE("a foreign child is filled when somebody accepts it, and then belongs to the set")
{
    Machine machine = used_machine();
    make_empty(*machine.disks[2]);
    {
        Server server(machine);
        CHECK_THROWS_WITH(server.quorum->make_stale("children.2"), Catch::Contains("child-accept"));
        CHECK_THROWS_WITH(server.quorum->assume_clean("children.2"),
                          Catch::Contains("child-accept"));
        CHECK_THROWS_WITH(server.quorum->accept_child("children.1"),
                          Catch::Contains("not foreign"));
        CHECK_THROWS_WITH(server.quorum->accept_child("z"), Catch::Contains("does not have child"));
        server.quorum->accept_child("children.2");
        CHECK(machine.state(2) == MemberState::filling);
        CHECK_FALSE(server.child(2).current({0, 4096}));
        server.rest();
        CHECK(machine.state(2) == MemberState::current);
        CHECK(machine.disks[2]->at(all - 1) == std::byte{7});
    }
    Server server(machine);
    CHECK_FALSE(server.child(2).foreign());
    CHECK(server.child(2).current());
}

TEST_CASE("a child that somebody calls clean is not held against what was left there")
{
    Machine machine = used_machine();
    {
        Server server(machine);
        for (const auto& disk : machine.disks) {
            disk->fill({0, all}, std::byte{8});  // somebody knows better
        }
        server.quorum->make_stale("children.2");
        server.quorum->assume_clean("children.2");
        server.rest();
    }
    const Server server(machine);
    CHECK(server.refusal.empty());
}

TEST_CASE("another file that comes and goes while it is compared stays another file")
{
    Machine machine = used_machine();
    Server server(machine);
    PathDevice& disk = *machine.disks[2];
    make_empty(disk);
    replace_while_running(server, 2);
    disk.hold(Op::read);
    server.quorum->housekeep();
    disk.drop_link();
    server.quorum->housekeep();
    disk.as_before = true;  // the same file as a moment ago
    disk.hold_none();
    disk.return_link();
    server.rest(2);
    CHECK_FALSE(server.child(2).current({0, 4096}));
}

TEST_CASE("who is foreign is in the memory before an intent hides it")
{
    Machine machine = used_machine();
    Server server(machine);
    make_empty(*machine.disks[2]);
    replace_while_running(server, 2);
    while (!server.child(2).foreign()) {
        server.clock.advance(100ms);
        server.quorum->housekeep();
    }
    REQUIRE(machine.state(2) == MemberState::current);
    bool seen = false;
    machine.disks[0]->on_request([&](const Request& request) {
        if (request.op == Op::write && !std::exchange(seen, true)) {
            CHECK(machine.state(2) == MemberState::foreign);
        }
    });
    CHECK(server.write({0, 4096}, 9) == 0);
    CHECK(seen);
}

TEST_CASE("one that was away at the start is copied from its map if it is the same, else filled")
{
    const bool known = GENERATE(true, false);
    Machine machine = known ? used_machine() : Machine();  // only zeroes are known: no proof
    {
        Server server(machine);
        server.rest();  // the places of an empty one are learned, too
        machine.disks[2]->drop_link();
        server.quorum->housekeep();
        REQUIRE(server.write({0, 4096}, 9) == 0);
        server.rest(4);
    }
    Server server(machine);
    REQUIRE(server.refusal.empty());
    machine.disks[2]->as_before = false;
    machine.disks[2]->return_link();
    const auto before = server.child(2).counters.resynced_bytes.load();
    server.rest(20);
    CHECK_FALSE(server.child(2).foreign());
    CHECK(machine.disks[2]->at(0) == std::byte{9});
    CHECK(machine.state(2) == MemberState::current);
    // The region with the intent, or all.
    CHECK(server.child(2).counters.resynced_bytes - before == (known ? 1 << 20 : all));
}

TEST_CASE("one that comes as another disk after it was away at the start is foreign")
{
    Machine machine = used_machine();
    machine.disks[2]->drop_link();
    Server server(machine);
    REQUIRE(server.refusal.empty());
    make_empty(*machine.disks[2]);
    machine.disks[2]->return_link();
    server.rest();
    CHECK(server.child(2).foreign());
    CHECK(machine.state(2) == MemberState::foreign);
}

TEST_CASE("while a child is compared it is asked for nothing else, and nobody waits for it")
{
    Machine machine = used_machine();
    Server server(machine);
    PathDevice& disk = *machine.disks[2];
    disk.drop_link();
    server.quorum->housekeep();
    disk.hold(Op::read);
    disk.return_link();
    const TimePoint now = server.clock.now();
    server.quorum->housekeep();
    CHECK(server.clock.now() == now);
    CHECK(disk.held() >= most_spread);
    CHECK_FALSE(server.child(2).online());
    CHECK_THAT(judge(facts_of(*server.quorum)).details.front(), Catch::Contains("being compared"));
    CHECK(server.write({0, 4096}, 9) == 0);
    // What it cannot read accuses it of nothing; what it has missed is copied.
    disk.fail(Op::read, EIO, 5);
    disk.release_all();
    server.rest();
    CHECK(server.child(2).online());
    CHECK(disk.at(0) == std::byte{9});
}

TEST_CASE("a link that is lost while the child is compared: it is compared anew")
{
    Machine machine = used_machine();
    Server server(machine);
    PathDevice& disk = *machine.disks[2];
    disk.drop_link();
    server.quorum->housekeep();
    disk.hold(Op::read);
    disk.return_link();
    server.quorum->housekeep();
    disk.drop_link();
    disk.hold_none();
    server.quorum->housekeep();
    CHECK_FALSE(server.child(2).online());
    make_empty(disk);
    disk.return_link();
    server.rest(2);
    CHECK(server.child(2).foreign());
}

TEST_CASE("a member that was away is known again when it is added")
{
    const std::string how = GENERATE("same", "empty", "moved", "foreign");
    Machine machine = used_machine();
    Server server(machine);
    server.memory->change_members([](Content& content) {
        change_state(content, 2, MemberState::behind);
        content.members[2].away = true;
    });
    server.quorum->remove_child("children.2");
    server.memory->change_members([&](Content& content) {
        content.members[2].state =
            how == "foreign" ? MemberState::foreign : MemberState::behind;
        content.members[2].spec = "/disk2";
        content.members[2].name = "c";
        content.members[2].away = true;
    });
    REQUIRE(server.write({0, 4096}, 9) == 0);
    machine.disks[2]->start();
    if (how == "empty") {
        make_empty(*machine.disks[2]);
    }
    NewChild child{"c", machine.disks[2], 10s};
    child.spec = how == "moved" ? "/other" : "/disk2";
    if (how == "empty" || how == "foreign") {
        CHECK_THROWS_WITH(server.quorum->add_child(child, false),
                          Catch::Contains("foreign") && Catch::Contains("child-remove"));
        CHECK(server.quorum->children().size() == 2);
        return;
    }
    server.quorum->add_child(child, false);
    server.rest();
    CHECK(machine.disks[2]->at(0) == std::byte{9});
    CHECK(server.quorum->children()[2]->counters.resynced_bytes ==
          (how == "same" ? 1 << 20 : all));
    CHECK(machine.state(2) == MemberState::current);
    CHECK(machine.state(3) == MemberState::none);
}
