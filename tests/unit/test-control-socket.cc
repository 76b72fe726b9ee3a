// SPDX-License-Identifier: BSD-3-Clause
//
// The control server's socket in the file system: where it may be, whose it is,
// and what becomes of one that a dead server has left.
#include "common/control/control_server.h"

#include <catch2/catch.hpp>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/device/device.h"
#include "tests/unit/control_test.h"

using namespace control_test;

namespace {

using resilience::SetupError;

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

}  // namespace

TEST_CASE("paths that cannot be")
{
    TemporaryFolder directory;
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
    TemporaryFolder directory;
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
    TemporaryFolder directory;
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
    TemporaryFolder directory;
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
    TemporaryFolder directory;
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
        TemporaryFolder directory;
        {
            ControlServer server(directory / "s", fixture.table, fixture.bus);
        }
        CHECK_FALSE(std::filesystem::exists(directory / "s"));
    }
}
