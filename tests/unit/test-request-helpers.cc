// SPDX-License-Identifier: BSD-3-Clause

// What every request passes: the range lock, buffers, the map of what is
// unflushed.

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "common/core/unflushed_map.h"
#include "common/device/buffer_pool.h"
#include "common/device/range_lock.h"

using namespace resilience;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t granule = 64 << 10;

/// A clock whose deadlines have come already.
class NoTime final : public Clock {
    bool wait_until(std::condition_variable&, std::unique_lock<std::mutex>&, TimePoint,
                    const std::function<bool()>& ready) override
    {
        return ready();
    }
};

}  // namespace

TEST_CASE("a range is held until its guard goes, and a deadline gives none")
{
    NoTime clock;
    RangeLock lock(clock);
    auto a = lock.acquire(0, 10, LockMode::exclusive, {});
    CHECK(a);
    CHECK_FALSE(lock.acquire(9, 11, LockMode::shared, {}));
    CHECK(lock.acquire(10, 20, LockMode::exclusive, {}));  // and let go at once
    auto b = std::move(a);
    CHECK_FALSE(a);  // NOLINT: what was moved from holds nothing
    CHECK_FALSE(lock.acquire(0, 1, LockMode::exclusive, {}));
    b.release();
    b.release();
    CHECK(lock.acquire(0, 1, LockMode::exclusive, {}));
}

TEST_CASE("everything excludes every range and the lane; the lane excludes nothing else")
{
    NoTime clock;
    RangeLock lock(clock);
    {
        const auto lane = lock.acquire_lane({});
        const auto other = lock.acquire_lane({});
        CHECK(lane);
        CHECK(other);
        CHECK(lock.acquire(0, (1ULL << 63) - 1, LockMode::exclusive, {}));
        CHECK_FALSE(lock.acquire_all({}));
    }
    const auto all = lock.acquire_all({});
    CHECK(all);
    CHECK_FALSE(lock.acquire_lane({}));
    CHECK_FALSE(lock.acquire((1ULL << 63) - 2, (1ULL << 63) - 1, LockMode::shared, {}));
}

TEST_CASE("threads that overlap are alone, one after the other")
{
    RangeLock lock(real_clock());
    std::atomic<int> inside{0};
    std::atomic<int> together{0};
    long sum = 0;  // without a lock of its own
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; i++) {
            threads.emplace_back([&, i] {
                for (int n = 0; n < 500; n++) {
                    const auto guard =
                        lock.acquire(i, 10, LockMode::exclusive, real_clock().now() + 60s);
                    together += !guard || inside++ != 0;
                    sum++;
                    inside--;
                }
            });
        }
    }
    CHECK(together == 0);
    CHECK(sum == 2000);
}

TEST_CASE("buffers are aligned, used again, and have a limit")
{
    const std::size_t size = GENERATE(0U, 1U, 512U, 4096U, 4097U, 1U << 20, 64U << 20);
    std::byte* first = nullptr;
    {
        const Buffer buffer = take_buffer(size);
        CHECK(buffer.size == size);
        CHECK(buffer.span().size() == size);
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.memory.get()) % 4096 == 0);
        if (size > 0) {
            buffer.span().front() = buffer.span().back() = std::byte{1};
        }
        first = buffer.memory.get();
    }
    if (size <= 1U << 20) {
        CHECK(take_buffer(size).memory.get() == first);
    }
    CHECK_THROWS_AS(take_buffer((64U << 20) + 1), std::bad_alloc);
}

TEST_CASE("a buffer in two hands is not given to a third")
{
    const Buffer a = take_buffer(4096);
    std::shared_ptr<const void> owner = a.memory;
    const Buffer b = take_buffer(4096);
    CHECK(a.memory != b.memory);
}

TEST_CASE("marks are taken once, put back, and copied")
{
    constexpr std::uint64_t size = 1000 * granule + 512;
    UnflushedMap map(size, granule);
    DirtyBitmap stale(size, granule);
    CHECK(map.take().empty());
    map.mark({});
    CHECK(map.take().empty());
    map.mark({63 * granule + 1, 65 * granule});  // across two words
    map.mark({1000 * granule, size});
    const UnflushedMap::Taken taken = map.take();
    CHECK(taken.size() == 3);
    CHECK(map.take().empty());
    map.copy_to(stale);
    CHECK_FALSE(stale.any());
    map.put_back(taken);
    map.copy_to(stale);
    CHECK(stale.marked_bytes() == 2 * granule + 512);
    CHECK(stale.any({63 * granule, 63 * granule + 1}));
    CHECK(stale.any({64 * granule, 65 * granule}));
    CHECK_FALSE(stale.any({65 * granule, 1000 * granule}));
    CHECK(map.take() == taken);
    stale.clear_all();
    map.copy_to(stale, taken);
    CHECK(stale.marked_bytes() == 2 * granule + 512);
}

TEST_CASE("no mark is lost between threads that mark and one that takes")
{
    constexpr std::uint64_t granules = 8192;
    UnflushedMap map(granules * granule, granule);
    std::atomic<int> at_work{2};
    std::vector<std::jthread> threads;
    for (const std::uint64_t parity : {0U, 1U}) {
        threads.emplace_back([&, parity] {
            for (std::uint64_t i = parity; i < granules; i += 2) {
                map.mark({i * granule, i * granule + 1});
            }
            at_work--;
        });
    }
    DirtyBitmap seen(granules * granule, granule);
    for (bool last = false; !last;) {
        last = at_work == 0;
        map.copy_to(seen, map.take());
    }
    CHECK(seen.marked_bytes() == granules * granule);
}
