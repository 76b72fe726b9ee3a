// SPDX-License-Identifier: BSD-3-Clause

// Asking many at once: who is waited for, given up, and heard late.

#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

std::shared_ptr<Request> read_request()
{
    const Buffer buffer = take_buffer(512);
    auto request = std::make_shared<Request>();
    request->length = 512;
    request->into = buffer.span();
    request->owner = buffer.memory;
    return request;
}

void send_all(TestQuorum& t, Fanout& fan)
{
    for (const ChildPtr& child : t.quorum->children()) {
        fan.add(child);
    }
    for (std::size_t i = 0; i < t.devices.size(); i++) {
        fan.send(i, read_request());
    }
}

}  // namespace

TEST_CASE("whoever does not answer in its own time is given up, and owes")
{
    TestQuorum t({1000ms, 2000ms, 3000ms}, 4 * granule);
    for (const auto& device : t.devices) {
        device->hold_all();
    }
    t.clock.after(1500ms, [&] { t.device(1).release_one(); });
    Fanout fan(t.clock, 3);
    const TimePoint start = t.clock.now();
    send_all(t, fan);
    fan.wait();
    CHECK(t.clock.now() - start == 3000ms);
    CHECK(fan.slots()[0].error == ETIMEDOUT);
    CHECK(fan.slots()[0].abandoned);
    CHECK(fan.slots()[1].ok());
    CHECK(fan.slots()[2].abandoned);
    CHECK(t.child(0).owed() == 1);
    CHECK(t.child(1).state() == ChildState::online);
    CHECK(t.child(2).counters.timeouts == 1);
    t.device(0).release_all();
    CHECK(t.child(0).owed() == 0);
    CHECK(t.child(0).counters.late_answers == 1);
    CHECK(fan.slots()[0].error == ETIMEDOUT);  // too late
}

TEST_CASE("an answer may come after the fan-out has gone")
{
    TestQuorum t(1);
    t.device(0).hold_all();
    {
        Fanout fan(t.clock, 1);
        send_all(t, fan);
        fan.wait();
    }
    t.device(0).release_all();
    CHECK(t.child(0).owed() == 0);
    CHECK(t.child(0).in_flight() == 0);
}

TEST_CASE("what was left to itself is told of once, answered or abandoned")
{
    TestQuorum t;
    t.device(1).hold_all();
    t.device(2).hold_all();
    std::vector<std::size_t> told;
    Fanout fan(t.clock, 3);
    send_all(t, fan);
    fan.wait_until([&] { return fan.slots()[0].done; });
    const std::vector<Slot> slots = fan.detach([&](std::size_t index) { told.push_back(index); });
    CHECK(slots[0].ok());
    CHECK_FALSE(slots[1].done);
    t.device(1).release_all();
    CHECK(told == std::vector<std::size_t>{1});
    t.clock.advance(11s);
    {
        std::unique_lock lock(fan.shared()->mutex);
        fan.shared()->abandon_overdue(t.clock.now(), lock);
    }
    CHECK(told == std::vector<std::size_t>{1, 2});
    CHECK(t.child(2).owed() == 1);
    t.device(2).release_all();
    CHECK(told.size() == 2);
    CHECK(t.child(2).owed() == 0);
}

TEST_CASE("answers from other threads race deadlines, and every one is counted once")
{
    TestQuorum t({1ms, 1ms, 1ms}, 4 * granule);
    Clock clock;
    for (const auto& device : t.devices) {
        device->hold_all();
    }
    std::jthread answering([&](const std::stop_token& end) {
        while (!end.stop_requested()) {
            for (const auto& device : t.devices) {
                while (device->held() > 0) {
                    device->release_one();
                }
            }
        }
    });
    for (int i = 0; i < 300; i++) {
        Fanout fan(clock, 3);
        send_all(t, fan);
        fan.wait();
        for (const Slot& slot : fan.slots()) {
            CHECK(slot.done);
        }
    }
    const auto answered = [&] {
        return t.child(0).in_flight() + t.child(1).in_flight() + t.child(2).in_flight() == 0;
    };
    while (!answered()) {
        std::this_thread::yield();
    }
    for (std::size_t i = 0; i < 3; i++) {
        CHECK(t.child(i).owed() == 0);
        CHECK(t.child(i).counters.timeouts == t.child(i).counters.late_answers);
    }
}

TEST_CASE("fastest: stragglers are compared, unless a write came between; and may outlive it all")
{
    Options options;
    options.read_pattern = ReadPattern::fastest;
    TestQuorum t(3, 4 * granule, options);
    t.device(2).flip(0, std::byte{1});
    t.device(2).hold(Op::read);
    CHECK(t.read({0, 512}).first == 0);
    CHECK(t.read({granule, granule + 512}).first == 0);
    CHECK(t.read({0, 512}).first == 0);
    CHECK(t.notes.lines().empty());
    t.device(2).release_one();
    CHECK(t.notes.lines() == std::vector<std::string>{"bad children.2 read at 0"});
    t.device(2).release_one();
    CHECK(t.write({0, 512}, std::byte{7}) == 0);
    t.device(2).release_one();  // older than the write, or newer: nobody can say
    CHECK(t.notes.lines().size() == 1);

    CHECK(t.read({0, 512}).first == 0);
    t.device(2).hang_in_stop();
    t.quorum.reset();
    t.device(2).release_all();
    CHECK(t.notes.lines().size() == 1);
}

TEST_CASE("fastest: a child that is removed with answers out is not reported for that")
{
    Options options;
    options.read_pattern = ReadPattern::fastest;
    TestQuorum t(3, 4 * granule, options);
    t.device(2).hold(Op::read);
    CHECK(t.read({0, 512}).first == 0);
    t.quorum->remove_child("children.2");
    CHECK(t.notes.lines().empty());
    CHECK(t.device(2).held() == 0);
}

TEST_CASE("a child that turns out to be slow while others are asked is asked too")
{
    // A file system that refuses the first write that must not wait: the device
    // is immediate when the others are sent their requests, and then it is not.
    for (const Op op : {Op::write, Op::read, Op::flush, Op::extents}) {
        TestQuorum t(3, 4 * granule);
        t.device(1).set_immediate(true);
        std::atomic<int> asked{0};
        t.device(1).on_request([&](const Request&) { asked++; });
        t.device(2).on_request([&](const Request&) { t.device(1).set_immediate(false); });
        const std::vector<std::byte> data(512, std::byte{7});
        std::vector<std::byte> into(512);
        Request request{op, {}, 0, op == Op::flush ? 0u : 512u, into, data, {}, {}};
        CHECK(t.quorum->execute(request) == 0);
        CHECK(asked == 1);
    }
}
