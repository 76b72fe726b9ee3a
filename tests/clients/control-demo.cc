// SPDX-License-Identifier: BSD-3-Clause

// A server with a control socket and nothing behind it, for the tests of
// nbdctl:
//
//   control-demo SOCKET SECONDS
//
// prints "ready" once clients can connect, and ends after SECONDS, at SIGTERM,
// or at the command "quit".

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include "common/control/control_server.h"
#include "common/control/json.h"
#include "common/device/device.h"

namespace {

using resilience::Argument;
using resilience::ArgumentType;
using resilience::CommandError;
using resilience::CommandTable;
using resilience::EventBus;
using resilience::Json;

constexpr std::int64_t mebibyte = 1024 * 1024;

Json status()
{
    return {{"size-bytes", 10 * mebibyte},
            {"threshold", 2},
            {"read-pattern", "quorum"},
            {"reads", {{"total", 12345}, {"failed", 0}}},
            {"resync-running", false},
            {"last-error", nullptr},
            {"modes", {"fast", "slow"}},
            {"advice", {"wait for it", "hurry"}}};
}

Json children()
{
    return {{{"name", "children.0"}, {"state", "up"}, {"dirty-bytes", 0}, {"spec", "/a b.img"}},
            {{"name", "children.1"}, {"state", "resync"}, {"dirty-bytes", 3 * mebibyte / 2},
             {"spec", "nbd://host/\x1b[31mred"}}};
}

/// A resync that gets on by a quarter each time it is asked for.
Json resync(int& asked, const std::string& kind)
{
    const int step = kind == "stalls" ? 1 : std::min(4, asked++);
    if (kind == "none" || step == 4) {
        return Json::array();
    }
    const std::int64_t total = 8 * mebibyte;
    const std::int64_t done = total / 4 * step;
    const char* state = kind == "fails" && step > 1 ? "failed" : "running";
    return {{{"child", "children.1"}, {"state", state}, {"total-bytes", total},
             {"done-bytes", done}, {"remaining-bytes", total - done}}};
}

/// One that is in this state, and stays so.
Json resync_in_state(const std::string& state, std::int64_t remaining)
{
    return {{{"child", "children.1"}, {"state", state}, {"total-bytes", remaining},
             {"done-bytes", 0}, {"remaining-bytes", remaining}, {"reason", "for a reason"}}};
}

class Demo {
public:
    Demo() { add_commands(); }
    CommandTable table;
    EventBus bus;

private:
    void add_commands();

    std::mutex mutex_;  // handlers run on several threads
    int asked_ = 0;
    std::string resync_kind_ = "works";
};

void Demo::add_commands()
{
    table.add("query-status", "Show the state", {}, [](const Json&) { return status(); });
    table.add("query-children", "Show the children", {}, [](const Json&) { return children(); });
    table.add("query-resync", "Show the resyncs that run", {},
              [this](const Json&) {
                  std::lock_guard lock(mutex_);
                  const auto colon = resync_kind_.find(':');
                  return colon == std::string::npos
                             ? resync(asked_, resync_kind_)
                             : resync_in_state(resync_kind_.substr(0, colon),
                                               std::stoll(resync_kind_.substr(colon + 1)));
              });
    table.add("set-resync", "What query-resync shows: works, fails, stalls, none, STATE:BYTES",
              {{"kind", ArgumentType::string, true, "which"}}, [this](const Json& arguments) {
                  std::lock_guard lock(mutex_);
                  resync_kind_ = arguments.at("kind");
                  asked_ = 0;
                  return Json::object();
              });
    table.add("echo", "Return the arguments",
              {{"text", ArgumentType::string, true, "a text"},
               {"second", ArgumentType::string, false, "another text"},
               {"count", ArgumentType::integer, false, "an integer"},
               {"ratio", ArgumentType::number, false, "a number"},
               {"yes", ArgumentType::boolean, false, "a truth"},
               {"value", ArgumentType::any, false, "anything"}},
              [](const Json& arguments) { return arguments; });
    table.add("child-remove", "Refuse to remove a child",
              {{"child", ArgumentType::string, true, "its name"}},
              [](const Json& arguments) -> Json {
                  throw CommandError("Node 'q' does not have child '" +
                                     arguments.at("child").get<std::string>() + "'");
              });
    for (const char* name : {"x-blockdev-change", "blockdev-snapshot-internal-sync", "blockdev-add",
                             "blockdev-snapshot-sync"}) {
        table.add_qemu(name, "As in QEMU", {}, [](const Json&) { return Json::object(); });
    }
    table.add("sleep", "Take a while",
              {{"milliseconds", ArgumentType::integer, true, "how long"}},
              [](const Json& arguments) {
                  std::this_thread::sleep_for(
                      std::chrono::milliseconds(arguments.at("milliseconds").get<int>()));
                  return Json::object();
              });
    table.add("emit", "Produce events",
              {{"count", ArgumentType::integer, true, "how many"}},
              [this](const Json& arguments) {
                  for (int i = 0; i < arguments.at("count").get<int>(); ++i) {
                      bus.emit("QUORUM_REPORT_BAD", {{"type", "read"}, {"node-name", "children.1"},
                                                     {"sector-num", i}, {"sectors-count", 8}});
                  }
                  return Json::object();
              });
    table.add("quit", "End the server", {}, [](const Json&) {
        ::kill(::getpid(), SIGTERM);
        return Json::object();
    });
}

/// Waits for one of `signals`.  Being stopped and continued is none.
void wait_for(const sigset_t& signals, std::chrono::seconds limit)
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    const timespec slice{1, 0};
    while (std::chrono::steady_clock::now() < deadline &&
           sigtimedwait(&signals, nullptr, &slice) == -1) {
    }
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc != 3) {
        std::fprintf(stderr, "usage: control-demo SOCKET SECONDS\n");
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    try {
        Demo demo;
        resilience::ControlServer server(argv[1], demo.table, demo.bus);
        server.start();
        std::printf("ready\n");
        std::fflush(stdout);
        wait_for(signals, std::chrono::seconds(std::atoi(argv[2])));
        return server.stop() ? 0 : 1;
    } catch (const resilience::SetupError& error) {
        std::fprintf(stderr, "control-demo: %s\n", error.what());
        return 1;
    }
}
