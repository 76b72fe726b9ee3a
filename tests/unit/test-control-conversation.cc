// SPDX-License-Identifier: BSD-3-Clause
//
// Clients of the control server that behave: commands, answers, events.
#include "common/control/control_server.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "common/control/event.h"
#include "common/control/json.h"
#include "tests/unit/control_test.h"

using namespace control_test;

// ---- conversation ---------------------------------------------------------------

TEST_CASE("a client that comes before start is answered after it")
{
    Fixture fixture({}, false);
    Client client(fixture.path, false);
    client.send(R"({"execute":"qmp_capabilities"})");
    CHECK(client.line(50ms) == "TIMEOUT");
    fixture.server->start();
    CHECK(client.line().starts_with("{\"QMP\":"));
    CHECK(client.line() == "{\"return\":{}}");
}

TEST_CASE("messages split anywhere, and many in one piece")
{
    Fixture fixture;
    Client client(fixture.path);
    for (char byte : std::string(R"({"execute": "echo", "arguments": {"text": "ä}"}, "id": 7})")) {
        client.send({&byte, 1});
    }
    CHECK(client.line() == R"({"return":"ä}","id":7})");
    std::string many;
    for (int i = 0; i < 1000; ++i) {
        many += count_command;
    }
    REQUIRE(client.send(many));
    for (int i = 1; i <= 1000; ++i) {
        REQUIRE(client.line() == "{\"return\":" + std::to_string(i) + "}");
    }
}

TEST_CASE("a client that has said all gets all its answers")
{
    Fixture fixture;
    Client client(fixture.path);
    client.send(count_command + count_command + "{");
    client.half_close();
    CHECK(client.line() == "{\"return\":1}");
    CHECK(client.line() == "{\"return\":2}");
    CHECK(client.line() == syntax_error);
    CHECK(client.line() == "EOF");
}

TEST_CASE("a slow command keeps nobody else waiting, nor events")
{
    Fixture fixture;
    Client slow(fixture.path);
    slow.send(R"({"execute":"wait"})");
    REQUIRE(eventually([&] { return fixture.waiting == 1; }));
    Client quick(fixture.path);
    CHECK(quick.ask(count_command) == "{\"return\":1}");
    fixture.bus.emit("TEST", Json::object());
    CHECK(Json::parse(quick.line()).at("event") == "TEST");
    CHECK(Json::parse(slow.line()).at("event") == "TEST");
    fixture.release = true;
    CHECK(slow.line() == "{\"return\":\"waited\"}");
}

// ---- events -----------------------------------------------------------------------

TEST_CASE("events have QMP's form")
{
    Fixture fixture;
    Client client(fixture.path);
    const auto before = std::chrono::system_clock::now().time_since_epoch() / 1s;
    fixture.bus.emit("TEST", {{"a", 1}});
    const Json event = Json::parse(client.line());
    CHECK(event.size() == 3);
    CHECK(event.at("event") == "TEST");
    CHECK(event.at("data") == Json{{"a", 1}});
    CHECK(event.at("timestamp").at("seconds") >= before);
    CHECK(event.at("timestamp").at("seconds") <= before + 20);
    CHECK(event.at("timestamp").at("microseconds") >= 0);
    CHECK(event.at("timestamp").at("microseconds") < 1000000);
}

TEST_CASE("events go to clients that have negotiated, and to no other")
{
    Fixture fixture;
    Client negotiated(fixture.path);
    Client mute(fixture.path, false);
    CHECK(mute.line().starts_with("{\"QMP\""));
    fixture.bus.emit("TEST", Json::object());
    CHECK(Json::parse(negotiated.line()).at("event") == "TEST");
    CHECK(mute.line(50ms) == "TIMEOUT");
}

TEST_CASE("a command's events come before its reply")
{
    Fixture fixture;
    Client client(fixture.path);
    client.send(R"({"execute":"emit","arguments":{"count":2}})");
    CHECK(Json::parse(client.line()).at("data").at("i") == 0);
    CHECK(Json::parse(client.line()).at("data").at("i") == 1);
    CHECK(client.line() == "{\"return\":{}}");
}

TEST_CASE("throttled events: the first at once, the newest after a second")
{
    Fixture fixture;
    Client client(fixture.path);
    std::vector<int> logged;
    const int listener = fixture.bus.add_listener([&](const resilience::Event& event) {
        logged.push_back(event.data.at("i"));
    });
    const auto start = Clock::now();
    for (int i = 0; i < 5; ++i) {
        fixture.bus.emit("TEST", {{"i", i}}, "a");
    }
    fixture.bus.emit("TEST", {{"i", 10}}, "b");
    CHECK(Json::parse(client.line()).at("data").at("i") == 0);
    CHECK(Json::parse(client.line()).at("data").at("i") == 10);
    CHECK(Clock::now() - start < 900ms);
    CHECK(Json::parse(client.line()).at("data").at("i") == 4);
    CHECK(Clock::now() - start >= 1s);
    CHECK(Clock::now() - start < 3s);
    CHECK(client.line(50ms) == "TIMEOUT");
    fixture.bus.remove_listener(listener);
    CHECK(logged == std::vector<int>{0, 10, 4});
}

TEST_CASE("an event that nobody saw counts for the limit")
{
    Fixture fixture;
    fixture.bus.emit("TEST", {{"i", 1}}, "a");
    Client client(fixture.path);
    fixture.bus.emit("TEST", {{"i", 2}}, "a");
    CHECK(client.line(200ms) == "TIMEOUT");
    CHECK(Json::parse(client.line()).at("data").at("i") == 2);
}

TEST_CASE("without a server, the log hears the limited events too")
{
    EventBus bus;
    std::vector<int> logged;
    bus.add_listener([&](const resilience::Event& event) { logged.push_back(event.data); });
    bus.emit("A", 1, "k");
    bus.emit("A", 2, "k");
    bus.emit("B", 3, "k");
    CHECK(logged == std::vector<int>{1, 3});
    bus.run_due(Clock::now() + 1s);
    CHECK(logged == std::vector<int>{1, 3, 2});
}
