// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the tests of the control server share: a server with a few commands on a
// real unix socket, and a client as plain as can be.

#include <catch2/catch.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/control/control_server.h"
#include "common/control/json.h"
#include "common/core/unique_fd.h"
#include "tests/unit/scratch.h"

namespace control_test {

using namespace std::chrono_literals;
using resilience::ArgumentType;
using resilience::CommandTable;
using resilience::ControlLimits;
using resilience::ControlServer;
using resilience::EventBus;
using resilience::Json;
using resilience::UniqueFd;
using resilience::test::eventually;
using resilience::test::TemporaryFolder;

using Clock = std::chrono::steady_clock;
/// Nothing here takes long; this is when a test gives up.
constexpr auto patience = 20s;

inline int connect_to(const std::string& path)
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
    TemporaryFolder directory;
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

inline const std::string count_command = R"({"execute":"count"})";
inline const std::string syntax_error =
    R"({"error":{"class":"GenericError","desc":"Invalid JSON syntax"}})";

}  // namespace control_test
