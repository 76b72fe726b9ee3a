// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A world with a time of its own, on one thread.
//
// What happens in it are events, in the order of virtual time; what waits in it
// are fibers.  A fiber is a thread of the simulated world: it runs the blocking
// code of an engine as it is, and gives way to others only where it waits
// (SimulatedClock) or where a simulated part of the world lets it be preempted
// (preempt()).  Everything that real threads leave to chance (who runs first,
// when a sleeper notices that it may go on) is decided by one pseudo-random
// generator.  So a seed is a complete description of a run.
//
// What it cannot see: missing notifications (a waiter looks at its condition
// after every event), and data races between two points of preemption.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/thread/clock.h"

namespace resilience::sim {

/// Random numbers that are the same on every machine.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next()
    {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    /// A number in [0, n); n > 0.
    std::uint64_t below(std::uint64_t n) { return next() % n; }
    /// A number in [low, high].
    std::uint64_t between(std::uint64_t low, std::uint64_t high)
    {
        return low + below(high - low + 1);
    }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    Duration duration(Duration low, Duration high)
    {
        return low + Duration(below(static_cast<std::uint64_t>((high - low).count()) + 1));
    }

private:
    std::uint64_t state_;
};

class World {
public:
    explicit World(std::uint64_t seed);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    /// Fibers that have not ended are dropped without unwinding.
    ~World();

    TimePoint now() const { return now_; }
    Random& random() { return random_; }

    /// `what` must not wait.
    void at(TimePoint time, std::function<void()> what);
    void after(Duration time, std::function<void()> what) { at(now_ + time, std::move(what)); }

    void spawn(std::function<void()> body);
    bool in_fiber() const { return running_ != nullptr; }

    /// For fibers.
    void sleep(Duration time);
    bool wait_until(std::unique_lock<std::mutex>* lock, TimePoint deadline,
                    const std::function<bool()>& ready);
    /// Perhaps lets others run, as if the thread lost its processor.  Does
    /// nothing outside of fibers.  The caller holds no mutex.
    void preempt();

    /// Runs until all fibers have ended (true), or `limit`, or nothing can ever
    /// happen again.
    bool run(TimePoint limit);

    /// A digest of all that has been noted, and of the times of all events.
    std::uint64_t trace() const { return trace_; }
    void note(std::uint64_t what) { trace_ = (trace_ ^ what) * 0x100000001b3; }

private:
    struct Fiber;
    using Key = std::pair<TimePoint, std::uint64_t>;

    void resume(Fiber& fiber);
    void give_way();
    void wake_later(Fiber& fiber, TimePoint time);
    void look_at_waiters();
    static void entry();

    Random random_;
    TimePoint now_ = TimePoint{} + std::chrono::hours(1);
    std::uint64_t sequence_ = 0;
    std::uint64_t trace_ = 0xcbf29ce484222325;
    std::map<Key, std::function<void()>> events_;
    std::vector<std::unique_ptr<Fiber>> fibers_;
    Fiber* running_ = nullptr;
    std::unique_ptr<Fiber> scheduler_;
};

/// The engines' clock in a World.
class SimulatedClock final : public Clock {
public:
    explicit SimulatedClock(World& world) : world_(world) {}
    TimePoint now() const override { return world_.now(); }
    bool wait_until(std::condition_variable&, std::unique_lock<std::mutex>& lock,
                    TimePoint deadline, const std::function<bool()>& ready) override
    {
        return world_.wait_until(&lock, deadline, ready);
    }

private:
    World& world_;
};

}  // namespace resilience::sim
