// SPDX-License-Identifier: BSD-3-Clause
//
// The control server on real unix sockets, with clients that behave, and with
// clients that do everything else.
#include "common/control/control_server.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/device/device.h"
#include "common/device/unique_fd.h"

using namespace std::chrono_literals;
using resilience::Argument;
using resilience::ArgumentType;
using resilience::CommandTable;
using resilience::ControlLimits;
using resilience::ControlServer;
using resilience::EventBus;
using resilience::Json;
using resilience::SetupError;
using resilience::UniqueFd;

namespace {

using Clock = std::chrono::steady_clock;
/// Nothing here takes long; this is when a test gives up.
constexpr auto patience = 20s;

class TemporaryDirectory {
public:
    TemporaryDirectory()
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "ctl.XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

bool eventually(const std::function<bool()>& condition)
{
    const auto deadline = Clock::now() + patience;
    while (!condition()) {
        if (Clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

int connect_to(const std::string& path)
{
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == -1) {
        throw std::runtime_error("cannot connect to " + path);  // a thread may be the caller
    }
    return fd;
}

/// A client as plain as can be.
class Client {
public:
    explicit Client(const std::string& path, bool negotiate = true) : fd_(connect_to(path))
    {
        if (negotiate) {
            REQUIRE(Json::parse(line()).contains("QMP"));
            send("{\"execute\":\"qmp_capabilities\"}\n");
            REQUIRE(line() == "{\"return\":{}}");
        }
    }

    /// Sends it all, if the server takes it in time; returns whether it did.
    bool send(std::string_view bytes, std::chrono::milliseconds limit = patience)
    {
        const auto deadline = Clock::now() + limit;
        while (!bytes.empty() && Clock::now() < deadline) {
            const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(),
                                     MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(n));
            } else if (errno != EAGAIN) {
                return false;
            } else {
                pollfd fd{fd_.get(), POLLOUT, 0};
                ::poll(&fd, 1, 100);
            }
        }
        return bytes.empty();
    }

    /// The next line, "EOF" at the end, "TIMEOUT" if none comes in time.
    std::string line(std::chrono::milliseconds limit = patience)
    {
        const auto deadline = Clock::now() + limit;
        std::size_t end;
        while ((end = buffer_.find("\r\n")) == std::string::npos) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
            pollfd fd{fd_.get(), POLLIN, 0};
            if (left <= 0ms || ::poll(&fd, 1, static_cast<int>(left.count())) <= 0) {
                return "TIMEOUT";
            }
            char bytes[65536];
            const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
            if (n <= 0) {
                return "EOF";
            }
            buffer_.append(bytes, static_cast<std::size_t>(n));
        }
        std::string result = buffer_.substr(0, end);
        buffer_.erase(0, end + 2);
        return result;
    }
    std::string ask(const std::string& text)
    {
        send(text + "\n");
        return line();
    }
    void half_close() { ::shutdown(fd_.get(), SHUT_WR); }

private:
    UniqueFd fd_;
    std::string buffer_;
};

/// A server with a few commands.
struct Fixture {
    TemporaryDirectory directory;
    std::string path = directory / "control.sock";
    CommandTable table;
    EventBus bus;
    std::atomic<bool> release{false};  ///< lets "wait" go on
    std::atomic<int> waiting{0};
    std::atomic<int> counted{0};
    std::atomic<int> echoed{0};
    std::optional<ControlServer> server;

    explicit Fixture(ControlLimits limits = {}, bool start = true)
    {
        table.add("wait", "Wait until released", {}, [this](const Json&) {
            ++waiting;
            eventually([this] { return release.load(); });
            --waiting;
            return Json("waited");
        });
        table.add("count", "Count calls", {}, [this](const Json&) { return Json(++counted); });
        table.add("emit", "Emit events", {{"count", ArgumentType::integer, true, ""}},
                  [this](const Json& arguments) {
                      for (int i = 0; i < arguments.at("count").get<int>(); ++i) {
                          bus.emit("TEST", {{"i", i}});
                      }
                      return Json::object();
                  });
        table.add("echo", "Return a text", {{"text", ArgumentType::string, true, ""}},
                  [this](const Json& arguments) {
                      ++echoed;
                      return arguments.at("text");
                  });
        server.emplace(path, table, bus, limits);
        if (start) {
            server->start();
        }
    }
    ~Fixture() { release = true; }
    bool alive()
    {
        return Client(path).ask(R"({"execute":"echo","arguments":{"text":"x"}})") ==
               R"({"return":"x"})";
    }
};

std::string error_of(const std::string& path)
{
    CommandTable table;
    EventBus bus;
    try {
        ControlServer server(path, table, bus);
    } catch (const SetupError& error) {
        return error.what();
    }
    return "no error";
}

const std::string count_command = R"({"execute":"count"})";
const std::string syntax_error =
    R"({"error":{"class":"GenericError","desc":"Invalid JSON syntax"}})";

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

// ---- the socket in the file system --------------------------------------------

TEST_CASE("paths that cannot be")
{
    TemporaryDirectory directory;
    CHECK(error_of("") == "control socket '' is not an absolute path");
    CHECK(error_of("relative.sock") == "control socket 'relative.sock' is not an absolute path");
    const std::string long_path = "/" + std::string(107, 'x');
    CHECK(error_of(long_path) == "control socket '" + long_path + "' has a path of 108 bytes, but "
                                 "107 is the most that a unix socket can have");
    CHECK(error_of(directory / ".") == "control socket '" + (directory / ".") +
                                       "' is a directory; give the path of a socket to be made");
    CHECK_THAT(error_of("/nonexistent/x/y.sock"), Catch::Contains("'/nonexistent/x'") &&
                                                  Catch::Contains("No such file"));
}

TEST_CASE("a file that is no socket is left alone")
{
    TemporaryDirectory directory;
    const std::string path = directory / "precious";
    std::ofstream(path) << "data";
    CHECK(error_of(path) == "control socket '" + path +
                            "' exists and is not a socket; remove it, or give another path");
    CHECK(std::filesystem::file_size(path) == 4);
    std::filesystem::create_symlink(path, directory / "link");
    CHECK_THAT(error_of(directory / "link"), Catch::Contains("is not a socket"));
}

TEST_CASE("the longest path works")
{
    TemporaryDirectory directory;
    const std::string start = directory / "";
    CHECK(error_of(start + std::string(107 - start.size(), 'x')) == "no error");
}

TEST_CASE("the socket is for its owner alone, whatever the umask")
{
    const mode_t before = ::umask(0);
    Fixture fixture({}, false);
    ::umask(before);
    struct stat status{};
    REQUIRE(::lstat(fixture.path.c_str(), &status) == 0);
    CHECK(S_ISSOCK(status.st_mode));
    CHECK((status.st_mode & 07777) == 0600);
}

TEST_CASE("two servers on one socket: the second is refused")
{
    Fixture fixture;
    CHECK(error_of(fixture.path) ==
          "control socket '" + fixture.path + "' is in use by another server");
    CHECK(fixture.alive());
}

TEST_CASE("a server that has not started yet is alive too")
{
    Fixture fixture({}, false);
    CHECK_THAT(error_of(fixture.path), Catch::Contains("in use by another server"));
}

TEST_CASE("a killed server's socket is replaced")
{
    TemporaryDirectory directory;
    const std::string path = directory / "s";
    const pid_t child = ::fork();
    if (child == 0) {
        CommandTable table;
        EventBus bus;
        ControlServer server(path, table, bus);
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(std::filesystem::is_socket(path));
    CommandTable table;
    EventBus bus;
    ControlServer server(path, table, bus);
    server.start();
    CHECK(Client(path).ask(R"({"execute":"query-version","id":1})").ends_with("\"id\":1}"));
}

TEST_CASE("of many that start at once on a dead socket, one wins")
{
    TemporaryDirectory directory;
    for (int round = 0; round < 20; ++round) {
        const std::string path = directory / ("s" + std::to_string(round));
        {
            UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            path.copy(address.sun_path, sizeof address.sun_path - 1);
            REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        }
        std::atomic<int> won{0};
        std::atomic<int> refused{0};
        {
            std::vector<std::thread> threads;
            for (int i = 0; i < 4; ++i) {
                threads.emplace_back([&] {
                    CommandTable table;
                    EventBus bus;
                    try {
                        ControlServer server(path, table, bus);
                        ++won;
                        eventually([&] { return won + refused == 4; });
                    } catch (const SetupError&) {
                        ++refused;
                    }
                });
            }
            for (std::thread& thread : threads) {
                thread.join();
            }
        }
        REQUIRE(won == 1);
    }
}

TEST_CASE("stop removes the socket, and only its own")
{
    Fixture fixture;
    SECTION("its own") {
        CHECK(fixture.server->stop());
        CHECK_FALSE(std::filesystem::exists(fixture.path));
        CHECK(fixture.server->stop());
    }
    SECTION("another that took its place") {
        std::filesystem::remove(fixture.path);
        Fixture other({}, false);
        std::filesystem::rename(other.path, fixture.path);
        CHECK(fixture.server->stop());
        CHECK(std::filesystem::exists(fixture.path));
    }
    SECTION("by the destructor, before start") {
        TemporaryDirectory directory;
        {
            ControlServer server(directory / "s", fixture.table, fixture.bus);
        }
        CHECK_FALSE(std::filesystem::exists(directory / "s"));
    }
}

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

// ---- clients that misbehave ---------------------------------------------------------

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
