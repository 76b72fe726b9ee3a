// SPDX-License-Identifier: BSD-3-Clause
//
// Clients of the control server that do everything else, and how it ends.
#include "common/control/control_server.h"

#include <catch2/catch.hpp>

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/control/json.h"
#include "tests/unit/control_test.h"

using namespace control_test;

namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WITH_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITH_SANITIZER
#endif

/// Sanitizers keep freed memory back (256 MiB of it), so that a process's
/// size says nothing about ours.
#ifdef WITH_SANITIZER
constexpr bool memory_is_measured = false;
#else
constexpr bool memory_is_measured = true;
#endif

/// The most memory that this process has had, in MiB.
long peak_mebibytes()
{
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

}  // namespace

TEST_CASE("garbage gets an error, and the conversation goes on")
{
    Fixture fixture;
    Client client(fixture.path);
    CHECK(client.ask("garbage") == syntax_error);
    CHECK(client.ask(std::string("\0\1\2", 3)) == syntax_error);
    CHECK(client.ask("{\"execute\":\"\xfe\"}") == syntax_error);
    CHECK(client.ask("{\"execute\":\"\xc0\xaf\"}") == syntax_error);
    CHECK(client.ask(count_command) == "{\"return\":1}");
}

TEST_CASE("nesting as deep as a message is long")
{
    Fixture fixture;
    Client client(fixture.path);
    CHECK_THAT(client.ask(std::string(1000000, '[')), Catch::Contains("nested more than 100"));
    std::string objects;
    for (int i = 0; i < 100000; ++i) {
        objects += "{\"a\":";
    }
    CHECK_THAT(client.ask(objects), Catch::Contains("nested more than 100"));
    CHECK(client.ask(count_command) == "{\"return\":1}");
}

TEST_CASE("100 MiB without an end: an error, and memory stays small")
{
    Fixture fixture;
    const long before = peak_mebibytes();
    const std::string mebibyte(1024 * 1024, 'x');
    SECTION("in a message: the connection is closed") {
        Client client(fixture.path);
        client.send("{\"execute\":\"");
        int sent = 0;
        while (sent < 100 && client.send(mebibyte)) {
            ++sent;
        }
        CHECK(sent < 100);
        CHECK_THAT(client.line(), Catch::Contains("longer than 1048576 bytes"));
        CHECK(client.line() == "EOF");
    }
    SECTION("outside of one: skipped to the end of the line") {
        Client client(fixture.path);
        for (int i = 0; i < 100; ++i) {
            REQUIRE(client.send(mebibyte));
        }
        client.send("\n");
        CHECK(client.line() == syntax_error);
        CHECK(client.ask(count_command) == "{\"return\":1}");
    }
    CHECK((!memory_is_measured || peak_mebibytes() - before < 30));
    CHECK(fixture.alive());
}

TEST_CASE("a client that asks and does not read gets no more done")
{
    Fixture fixture({.queue_bytes = 100000});
    Client client(fixture.path);
    const std::string ask = R"({"execute":"echo","arguments":{"text":")" +
                            std::string(1000, 'x') + "\"}}\n";
    // Until the server has taken nothing for a while.
    int asked = 0;
    while (asked < 50000 && client.send(ask, 500ms)) {
        ++asked;
    }
    // What is under way: the queue, what waits, and the socket's two buffers.
    CHECK(asked < 5000);
    CHECK(fixture.echoed < 2000);
    CHECK(fixture.alive());
    for (int i = 0; i < asked; ++i) {
        REQUIRE(client.line().size() == 1013);
    }
}

TEST_CASE("a client that reads no events is given up")
{
    Fixture fixture({.queue_bytes = 100000});
    Client sleeper(fixture.path);
    Client reader(fixture.path);
    const Json data = {{"text", std::string(1000, 'x')}};
    for (int i = 0; i < 2000; ++i) {
        fixture.bus.emit("TEST", data);
        REQUIRE(Json::parse(reader.line()).at("event") == "TEST");
    }
    int lines = 0;
    std::string line;
    while ((line = sleeper.line()).starts_with("{\"event\"")) {
        ++lines;
    }
    CHECK(line == "EOF");
    CHECK(lines < 2000);
    CHECK(fixture.alive());
}

TEST_CASE("the 17th client is told so, and a place that gets free is given again")
{
    Fixture fixture;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 16; ++i) {
        clients.push_back(std::make_unique<Client>(fixture.path));
    }
    {
        Client more(fixture.path, false);
        CHECK(more.line() == R"({"error":{"class":"GenericError",)"
                             R"("desc":"Too many clients: 16 may be connected at a time"}})");
        CHECK(more.line() == "EOF");
    }
    clients.pop_back();
    CHECK(eventually([&] {
        Client next(fixture.path, false);
        return next.line().starts_with("{\"QMP\"");
    }));
}

TEST_CASE("a client that goes away in the middle of its command")
{
    Fixture fixture;
    {
        Client client(fixture.path);
        client.send(R"({"execute":"wait"})" + count_command);
        REQUIRE(eventually([&] { return fixture.waiting == 1; }));
    }
    CHECK(fixture.alive());
    fixture.release = true;
    REQUIRE(eventually([&] { return fixture.waiting == 0; }));
    CHECK(fixture.server->stop());
    CHECK(fixture.counted == 0);  // what had not begun is not done
}

TEST_CASE("commands of clients that went away are limited")
{
    Fixture fixture({.clients = 4});
    for (int i = 0; i < 4; ++i) {
        Client client(fixture.path);
        client.send(R"({"execute":"wait"})");
        REQUIRE(eventually([&] { return fixture.waiting == i + 1; }));
    }
    CHECK(eventually([&] {
        Client more(fixture.path, false);
        return more.line().starts_with("{\"error\"");
    }));
    fixture.release = true;
    CHECK(eventually([&] {
        Client more(fixture.path, false);
        return more.line().starts_with("{\"QMP\"");
    }));
}

TEST_CASE("many clients come, talk and go at once")
{
    Fixture fixture;
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                Client client(fixture.path, false);
                client.send(R"({"execute":"qmp_capabilities"})" + count_command);
                if ((i + t) % 3 == 0) {
                    continue;  // hangs up without a look
                }
                std::string line = client.line();
                if (line.starts_with("{\"error\"")) {
                    --i;  // the places of clients that hung up are not free yet
                    std::this_thread::sleep_for(1ms);
                    continue;
                }
                for (; line.find("return\":") == std::string::npos ||
                       line == "{\"return\":{}}";
                     line = client.line()) {
                    if (line == "EOF" || line == "TIMEOUT") {
                        ++failures;
                        break;
                    }
                }
            }
        });
    }
    for (int i = 0; i < 200; ++i) {
        fixture.bus.emit("TEST", {{"i", i}}, i % 2 == 0 ? "" : "key");
        std::this_thread::sleep_for(100us);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(failures == 0);
    CHECK(fixture.alive());
}

// ---- the end ------------------------------------------------------------------------

TEST_CASE("stop lets a command that runs finish, and its client hear of it")
{
    Fixture fixture;
    Client client(fixture.path);
    client.send(R"({"execute":"wait"})");
    REQUIRE(eventually([&] { return fixture.waiting == 1; }));
    std::thread releaser([&] {
        eventually([&] { return !std::filesystem::exists(fixture.path); });
        fixture.release = true;
    });
    CHECK(fixture.server->stop());
    releaser.join();
    CHECK(client.line() == "{\"return\":\"waited\"}");
    CHECK(client.line() == "EOF");
}

TEST_CASE("stop does not wait for a command that hangs, and can be called again")
{
    Fixture fixture;
    Client client(fixture.path);
    client.send(R"({"execute":"wait"})");
    REQUIRE(eventually([&] { return fixture.waiting == 1; }));
    const auto start = Clock::now();
    CHECK_FALSE(fixture.server->stop(50ms));
    CHECK(Clock::now() - start < 5s);
    CHECK(client.line() == "EOF");
    fixture.release = true;
    CHECK(fixture.server->stop());
}

TEST_CASE("stop closes idle clients, and those that do not read")
{
    Fixture fixture;
    Client idle(fixture.path);
    Client sleeper(fixture.path);
    for (int i = 0; i < 1000; ++i) {
        fixture.bus.emit("TEST", {{"text", std::string(1000, 'x')}});
    }
    const auto start = Clock::now();
    CHECK(fixture.server->stop());
    CHECK(Clock::now() - start < 3s);
}
