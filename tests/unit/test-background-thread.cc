// SPDX-License-Identifier: BSD-3-Clause
#include "common/thread/background_thread.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "common/core/log.h"
#include "common/thread/thread_start.h"
#include "tests/unit/scratch.h"

using resilience::BackgroundThread;
using resilience::real_clock;
using resilience::start_thread;
using resilience::TimePoint;
using resilience::test::eventually;
using namespace std::chrono_literals;
namespace log_sink = resilience::log;

namespace {

using Stopping = const std::atomic<bool>&;
using Next = std::optional<TimePoint>;

TimePoint in(resilience::Duration time) { return real_clock().now() + time; }

/// What was logged since the object was made.
class Log {
public:
    Log()
    {
        const std::lock_guard lock(mutex_);
        lines_.clear();
        log_sink::set_sink([](log_sink::Level, const std::string& text) noexcept {
            const std::lock_guard hold(mutex_);
            lines_.push_back(text);
        });
    }
    /// How many lines have `text` in them.
    static int count(const std::string& text)
    {
        const std::lock_guard lock(mutex_);
        return static_cast<int>(std::count_if(lines_.begin(), lines_.end(), [&](const auto& line) {
            return line.find(text) != std::string::npos;
        }));
    }

private:
    static inline std::mutex mutex_;
    static inline std::vector<std::string> lines_;
};

/// A turn that waits until it is let go.
class Gate {
public:
    void open()
    {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void pass()
    {
        std::unique_lock lock(mutex_);
        reached_ = true;
        changed_.wait_for(lock, 30s, [this] { return open_; });
    }
    bool reached()
    {
        const std::lock_guard lock(mutex_);
        return reached_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    bool reached_ = false;
};

}  // namespace

TEST_CASE("the first turn comes at once, and the next when it said")
{
    std::atomic<int> turns{0};
    std::atomic<TimePoint> due{TimePoint{}};
    std::atomic<bool> early{false};
    BackgroundThread thread("test", [&](Stopping) -> Next {
        early = early || real_clock().now() < due.load();
        due = in(30ms);
        ++turns;
        return due.load();
    });
    CHECK_FALSE(thread.running());
    CHECK(turns == 0);
    thread.start();
    CHECK(thread.running());
    CHECK(eventually([&] { return turns >= 5; }));
    CHECK(thread.stop(10s));
    CHECK_FALSE(thread.running());
    CHECK_FALSE(early);
    const int then = turns;
    thread.wake();
    CHECK(turns == then);
}

TEST_CASE("a time that has passed is now")
{
    std::atomic<int> turns{0};
    BackgroundThread thread("test", [&](Stopping) -> Next {
        ++turns;
        return TimePoint{};
    });
    thread.start();
    CHECK(eventually([&] { return turns >= 1000; }));
    CHECK(thread.stop(10s));
}

TEST_CASE("a thread that sleeps can be woken, and one at work takes another turn")
{
    std::atomic<int> turns{0};
    Gate gate;
    BackgroundThread thread("test", [&](Stopping) -> Next {
        if (++turns == 1) {
            gate.pass();
        }
        return in(1h);
    });
    thread.wake();  // no thread yet
    thread.start();
    REQUIRE(eventually([&] { return gate.reached(); }));
    thread.wake();  // in the middle of its turn
    gate.open();
    REQUIRE(eventually([&] { return turns == 2; }));
    for (int i = 3; i < 500; i++) {
        thread.wake();
        REQUIRE(eventually([&] { return turns == i; }));
    }
    // It sleeps for an hour now.
    CHECK(thread.stop(10s));
}

TEST_CASE("start does nothing while the thread runs")
{
    std::atomic<int> inside{0};
    std::atomic<int> turns{0};
    std::atomic<bool> twice{false};
    BackgroundThread thread("test", [&](Stopping) -> Next {
        twice = twice || ++inside > 1;
        std::this_thread::yield();
        --inside;
        ++turns;
        return TimePoint{};
    });
    for (int i = 0; i < 4; i++) {
        thread.start();
    }
    CHECK(eventually([&] { return turns >= 1000; }));
    CHECK(thread.stop(10s));
    CHECK_FALSE(twice);
}

TEST_CASE("a thread that is done ends, and can be started again")
{
    std::atomic<int> turns{0};
    BackgroundThread thread("test", [&](Stopping) -> Next {
        ++turns;
        return std::nullopt;
    });
    for (int i = 1; i <= 20; i++) {
        thread.start();
        REQUIRE(eventually([&] { return turns == i && !thread.running(); }));
        thread.wake();
    }
    CHECK(thread.stop(10s));
    CHECK(thread.stop(10s));
    thread.start();
    CHECK(eventually([&] { return turns == 21; }));
}

TEST_CASE("an exception is logged once for each text, and the turn is tried again")
{
    const Log log;
    std::atomic<int> turns{0};
    BackgroundThread thread("test", [&](Stopping) -> Next {
        switch (++turns) {
        case 1:
        case 2: throw std::runtime_error("trouble one");
        case 3: throw 3;
        case 4: throw std::runtime_error("trouble two");
        case 5: return in(1h);
        case 6: throw std::runtime_error("trouble two");
        default: return in(1h);
        }
    });
    thread.start();
    // The second turn comes by itself, as nobody wakes it.
    REQUIRE(eventually([&] { return turns >= 2; }));
    for (int i = 3; i <= 7; i++) {
        thread.wake();
        REQUIRE(eventually([&] { return turns >= i; }));
    }
    // The last turn that throws is over, and logged.
    CHECK(thread.running());
    CHECK(thread.stop(10s));
    CHECK(log.count("test: trouble one") == 1);
    CHECK(log.count("test: trouble two") == 2);
    CHECK(log.count("test: an unknown exception") == 1);
}

TEST_CASE("a turn that never ends is left behind with what it owns")
{
    const Log log;
    struct Shared {
        Gate gate;
        std::atomic<bool> ended{false};
    };
    const auto shared = std::make_shared<Shared>();
    const std::weak_ptr<Shared> watch = shared;
    std::atomic<int> turns{0};
    {
        const auto begin = std::chrono::steady_clock::now();
        BackgroundThread thread("hung", [shared](Stopping) -> Next {
            shared->gate.pass();
            shared->ended = true;
            return in(1h);
        });
        thread.start();
        REQUIRE(eventually([&] { return shared->gate.reached(); }));
        CHECK_FALSE(thread.stop(50ms));
        CHECK_FALSE(thread.running());
        CHECK_FALSE(shared->ended);
        CHECK(std::chrono::steady_clock::now() - begin < 10s);
    }
    CHECK(log.count("hung: hangs") == 1);
    // The object has gone; its thread must still find everything in place.
    shared->gate.open();
    CHECK(eventually([&] { return shared->ended.load(); }));
    CHECK(eventually([&] { return watch.use_count() == 1; }));
}

TEST_CASE("a turn is told to stop, and the destructor waits for it")
{
    std::atomic<bool> begun{false};
    std::atomic<bool> ended{false};
    {
        BackgroundThread thread("test", [&](Stopping stopping) -> Next {
            begun = true;
            const bool told = eventually([&] { return stopping.load(); });
            std::this_thread::sleep_for(50ms);  // who does not wait is long gone
            ended = told;
            return in(1h);
        });
        thread.start();
        REQUIRE(eventually([&] { return begun.load(); }));
    }
    CHECK(ended);
}

TEST_CASE("a thread whose body throws ends alone")
{
    const Log log;
    start_thread("thrower", [] { throw std::runtime_error("no more memory"); }).join();
    CHECK(log.count("the thread thrower has ended: no more memory") == 1);
}
