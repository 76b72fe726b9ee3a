// SPDX-License-Identifier: BSD-3-Clause
#include "common/thread/worker_pool.h"

#include <signal.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "common/file/sync_ledger.h"
#include "tests/unit/scratch.h"

using resilience::SyncLedger;
using resilience::WorkerPool;
using resilience::test::eventually;
using namespace std::chrono_literals;

namespace {

/// A door that jobs wait at until it is opened.
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
        ++waiting_;
        changed_.notify_all();
        changed_.wait_for(lock, 30s, [this] { return open_; });
    }
    bool wait_for_waiting(int count)
    {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 10s, [&] { return waiting_ >= count; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    int waiting_ = 0;
};

void nothing(int) {}

}  // namespace

TEST_CASE("a pool runs nothing before start and nothing after stop")
{
    WorkerPool pool("test");
    std::atomic<int> ran{0};
    std::atomic<int> error{0};
    const auto submit = [&] { pool.submit([&] { ++ran; }, [&](int e) { error = e; }); };
    submit();
    CHECK(error == ESHUTDOWN);
    error = 0;
    pool.start();
    CHECK(pool.threads() == 0);
    submit();
    CHECK(eventually([&] { return ran == 1; }));
    CHECK(error == 0);
    pool.stop(10s);
    submit();
    CHECK(error == ESHUTDOWN);
    CHECK(ran == 1);
}

TEST_CASE("every job is run exactly once, by no more threads than the limit")
{
    WorkerPool pool("test", 4);
    pool.start();
    std::atomic<int> ran{0};
    std::vector<std::thread> submitters;
    for (int t = 0; t < 4; ++t) {
        submitters.emplace_back([&] {
            for (int i = 0; i < 5000; ++i) {
                pool.submit([&] { ++ran; }, nothing);
            }
        });
    }
    for (auto& thread : submitters) {
        thread.join();
    }
    CHECK(eventually([&] { return ran == 20000; }));
    CHECK(pool.threads() <= 4);
    pool.stop(10s);
    CHECK(ran == 20000);
}

TEST_CASE("one job after the other needs one thread, jobs at the same time one each")
{
    WorkerPool pool("test", 8);
    pool.start();
    std::atomic<int> ran{0};
    pool.submit([&] { ++ran; }, nothing);
    REQUIRE(eventually([&] { return ran == 1; }));
    Gate gate;
    for (int i = 0; i < 6; ++i) {
        pool.submit([&] { gate.pass(); }, nothing);
    }
    // A busy worker is no reason to wait: it may hang.
    CHECK(gate.wait_for_waiting(6));
    CHECK(pool.threads() <= 7);
    gate.open();
    pool.stop(10s);
}

TEST_CASE("a sequence of jobs with pauses is never lost between two sleeps")
{
    WorkerPool pool("test", 2);
    pool.start();
    for (int i = 0; i < 2000; ++i) {
        std::atomic<bool> ran{false};
        pool.submit([&] { ran = true; }, nothing);
        REQUIRE(eventually([&] { return ran.load(); }));
    }
    pool.stop(10s);
}

TEST_CASE("stop cancels what has not begun and leaves behind what hangs")
{
    struct Shared {
        Gate gate;
        std::atomic<int> hung_error{0};
        std::atomic<int> queued_error{0};
        std::atomic<bool> queued_ran{false};
        std::atomic<bool> woke_up{false};
    };
    const auto shared = std::make_shared<Shared>();
    const std::weak_ptr<Shared> watch = shared;
    {
        WorkerPool pool("test", 1);
        pool.start();
        pool.submit([shared] { shared->gate.pass(); shared->woke_up = true; },
                    [shared](int e) { shared->hung_error = e; });
        REQUIRE(shared->gate.wait_for_waiting(1));
        pool.submit([shared] { shared->queued_ran = true; },
                    [shared](int e) { shared->queued_error = e; });
        const auto begin = std::chrono::steady_clock::now();
        pool.stop(100ms);
        CHECK(std::chrono::steady_clock::now() - begin < 5s);
        CHECK(shared->hung_error == ESHUTDOWN);
        CHECK(shared->queued_error == ESHUTDOWN);
        CHECK_FALSE(shared->queued_ran);
        CHECK_FALSE(shared->woke_up);
    }
    // The pool has gone; its thread must still find everything in place.
    shared->gate.open();
    CHECK(eventually([&] { return shared->woke_up.load(); }));
    // It drops its job and ends.
    CHECK(eventually([&] { return watch.use_count() == 1; }));
}

TEST_CASE("a worker may drop the last reference to its own pool")
{
    auto pool = std::make_shared<WorkerPool>("test", 2);
    std::atomic<bool> done{false};
    pool->start();
    Gate gate;
    pool->submit([&gate, &done, pool] { gate.pass(); done = true; }, nothing);
    REQUIRE(gate.wait_for_waiting(1));
    const std::weak_ptr<WorkerPool> watch = pool;
    pool.reset();
    gate.open();
    CHECK(eventually([&] { return done.load() && watch.expired(); }));
}

TEST_CASE("workers block all signals and have a name")
{
    WorkerPool pool("a-name-too-long-for-the-kernel", 1);
    pool.start();
    std::atomic<int> blocked{-1};
    std::string name(16, '\0');
    pool.submit(
        [&] {
            sigset_t mask;
            pthread_sigmask(SIG_SETMASK, nullptr, &mask);
            pthread_getname_np(pthread_self(), name.data(), name.size());
            blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGUSR1) ? 1 : 0;
        },
        nothing);
    CHECK(eventually([&] { return blocked == 1; }));
    CHECK(std::string(name.c_str()) == "a-name-too-long");
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    CHECK(sigismember(&mask, SIGTERM) == 0);
    pool.stop(10s);
}

TEST_CASE("after a failed sync every later one fails")
{
    SyncLedger ledger;
    CHECK(ledger.run([] { return 0; }) == 0);
    CHECK(ledger.run([] { return EIO; }) == EIO);
    bool asked = false;
    CHECK(ledger.run([&] { asked = true; return 0; }) == EIO);
    CHECK_FALSE(asked);
    CHECK(ledger.failure() == EIO);
}

TEST_CASE("a sync that succeeds beside one that fails does not report success")
{
    SyncLedger ledger;
    Gate failing;
    Gate succeeding;
    std::atomic<int> first{-1};
    std::atomic<int> second{-1};
    std::thread fails([&] { first = ledger.run([&] { failing.pass(); return ENOSPC; }); });
    REQUIRE(failing.wait_for_waiting(1));
    std::thread succeeds([&] { second = ledger.run([&] { succeeding.pass(); return 0; }); });
    REQUIRE(succeeding.wait_for_waiting(1));
    // The kernel has told only one of them, and the other returns first.
    succeeding.open();
    failing.open();
    fails.join();
    succeeds.join();
    CHECK(first == ENOSPC);
    CHECK(second == ENOSPC);
}
