// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/world.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#endif
#ifdef SIM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace resilience::sim {

namespace {

constexpr std::size_t stack_size = 512 << 10;

/// Stacks are used again by the next simulation: mapping one costs more than
/// most of what happens on it.
std::vector<void*>& spare_stacks()
{
    static std::vector<void*> stacks;
    return stacks;
}

void* take_stack()
{
    auto& spare = spare_stacks();
    if (!spare.empty()) {
        void* stack = spare.back();
        spare.pop_back();
        return stack;
    }
    void* stack = mmap(nullptr, stack_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) {
        std::perror("mmap");
        std::abort();
    }
    return stack;
}

World* current_world = nullptr;  // for entry(), which makecontext() gives no pointer

}  // namespace

struct World::Fiber {
    ucontext_t context{};
    void* stack = nullptr;
    std::function<void()> body;
    bool ended = false;
    bool wake_is_coming = false;
    std::uint64_t wakes = 0;  // tells a wake-up from that of an earlier wait
    std::unique_lock<std::mutex>* lock = nullptr;
    const std::function<bool()>* ready = nullptr;
#ifdef SIM_ASAN
    const void* bottom = nullptr;
    std::size_t size = 0;
    void* fake_stack = nullptr;
#endif
};

World::World(std::uint64_t seed) : random_(seed), scheduler_(std::make_unique<Fiber>()) {}

World::~World()
{
    for (const auto& fiber : fibers_) {
        if (fiber->ended) {
            spare_stacks().push_back(fiber->stack);
        }
    }
}

void World::at(TimePoint time, std::function<void()> what)
{
    // Things of the same moment happen in any order.
    events_.emplace(Key{std::max(time, now_), random_.next() << 24 | (sequence_++ & 0xffffff)},
                    std::move(what));
}

void World::entry()
{
    World& world = *current_world;
    Fiber& self = *world.running_;
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &world.scheduler_->bottom, &world.scheduler_->size);
#endif
    self.body();
    self.body = nullptr;
    self.ended = true;
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(nullptr, world.scheduler_->bottom, world.scheduler_->size);
#endif
    setcontext(&world.scheduler_->context);
}

void World::spawn(std::function<void()> body)
{
    auto fiber = std::make_unique<Fiber>();
    fiber->stack = take_stack();
    fiber->body = std::move(body);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = stack_size;
    makecontext(&fiber->context, &World::entry, 0);
#ifdef SIM_ASAN
    fiber->bottom = fiber->stack;
    fiber->size = stack_size;
#endif
    wake_later(*fiber, now_);
    fibers_.push_back(std::move(fiber));
}

void World::resume(Fiber& fiber)
{
    running_ = &fiber;
    current_world = this;
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(&scheduler_->fake_stack, fiber.bottom, fiber.size);
#endif
    swapcontext(&scheduler_->context, &fiber.context);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(scheduler_->fake_stack, nullptr, nullptr);
#endif
    running_ = nullptr;
}

void World::give_way()
{
    Fiber& self = *running_;
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(&self.fake_stack, scheduler_->bottom, scheduler_->size);
#endif
    swapcontext(&self.context, &scheduler_->context);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(self.fake_stack, &scheduler_->bottom, &scheduler_->size);
#endif
}

void World::wake_later(Fiber& fiber, TimePoint time)
{
    at(time, [this, &fiber, wake = fiber.wakes] {
        if (!fiber.ended && fiber.wakes == wake) {
            fiber.wakes++;
            fiber.wake_is_coming = false;
            resume(fiber);
        }
    });
}

void World::sleep(Duration time)
{
    Fiber& self = *running_;
    self.ready = nullptr;
    wake_later(self, now_ + time);
    give_way();
}

void World::preempt()
{
    if (running_ && random_.one_in(6)) {
        sleep(random_.one_in(8) ? random_.duration(Duration{0}, std::chrono::milliseconds(60))
                                : random_.duration(Duration{0}, std::chrono::microseconds(300)));
    }
}

bool World::wait_until(std::unique_lock<std::mutex>* lock, TimePoint deadline,
                       const std::function<bool()>& ready)
{
    if (!running_) {
        std::fprintf(stderr, "only fibers can wait\n");
        std::abort();
    }
    Fiber& self = *running_;
    while (!ready()) {
        if (now_ >= deadline) {
            return false;
        }
        if (lock) {
            lock->unlock();
        }
        self.lock = lock;
        self.ready = &ready;
        if (deadline != TimePoint::max()) {
            wake_later(self, deadline);
        }
        give_way();
        self.ready = nullptr;
        if (lock) {
            lock->lock();
        }
    }
    return true;
}

void World::look_at_waiters()
{
    for (const auto& fiber : fibers_) {
        if (fiber->ended || fiber->wake_is_coming || !fiber->ready) {
            continue;
        }
        if (fiber->lock) {
            fiber->lock->lock();
        }
        const bool ready = (*fiber->ready)();
        if (fiber->lock) {
            fiber->lock->unlock();
        }
        if (ready) {
            fiber->wake_is_coming = true;
            wake_later(*fiber, now_ + (random_.one_in(4)
                                           ? random_.duration(Duration{0},
                                                              std::chrono::microseconds(500))
                                           : Duration{0}));
        }
    }
}

bool World::run(TimePoint limit)
{
    const auto ended = [](const auto& fiber) { return fiber->ended; };
    while (!std::all_of(fibers_.begin(), fibers_.end(), ended)) {
        if (events_.empty() || events_.begin()->first.first > limit) {
            return false;
        }
        const auto event = events_.extract(events_.begin());
        now_ = event.key().first;
        note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
        event.mapped()();
        look_at_waiters();
    }
    return true;
}

}  // namespace resilience::sim
