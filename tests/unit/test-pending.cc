// SPDX-License-Identifier: BSD-3-Clause
// A request that may be left behind: its memory is its own, and its answer is
// told exactly once, in time or late.

#include <catch2/catch.hpp>

#include <cerrno>
#include <thread>

#include "common/device/pending.h"
#include "tests/unit/device_test.h"
#include "tests/unit/faulty_device.h"

using namespace device_test;
using resilience::Pending;
using resilience::real_clock;
using resilience::test::FaultyDevice;

namespace {

struct Told {
    std::mutex mutex;
    int calls = 0;
    int error = -1;
    bool late = false;

    Pending::Ended callback()
    {
        return [this](int result, bool was_late) {
            const std::lock_guard lock(mutex);
            ++calls;
            error = result;
            late = was_late;
        };
    }
};

resilience::TimePoint soon() { return real_clock().now() + 20ms; }
resilience::TimePoint later() { return real_clock().now() + 20s; }

}  // namespace

TEST_CASE("an answer in time: the error, the data, and told once")
{
    FaultyDevice device(8192);
    device.fill({0, 8192}, std::byte{7});
    Told told;
    Bytes unused(4096);
    Pending pending(device, reading(512, unused), told.callback());
    REQUIRE(pending.wait_until(later()) == 0);
    CHECK(std::all_of(pending.data().begin(), pending.data().end(),
                      [](std::byte b) { return b == std::byte{7}; }));
    CHECK(pending.data().size() == 4096);
    CHECK(unused == Bytes(4096));  // its own memory, not the caller's
    CHECK(told.calls == 1);
    CHECK_FALSE(told.late);
    CHECK(pending.answered_at() <= real_clock().now());
}

TEST_CASE("a read needs no memory of the caller's")
{
    FaultyDevice device(8192);
    device.fill({0, 8192}, std::byte{7});
    Request request;
    request.offset = 512;
    request.length = 1024;
    Pending pending(device, request);
    REQUIRE(pending.wait_until(later()) == 0);
    CHECK(pending.data().size() == 1024);
    CHECK(pending.data().back() == std::byte{7});
}

TEST_CASE("an error is an answer")
{
    FaultyDevice device(8192);
    device.fail(Op::write, ENOSPC);
    Told told;
    Pending pending(device, writing(0, Bytes(512)), told.callback());
    CHECK(pending.wait_until(later()) == ENOSPC);
    CHECK(told.error == ENOSPC);
}

TEST_CASE("left behind: the answer comes late, into memory that is still there")
{
    FaultyDevice device(8192);
    Told told;
    device.hold(Op::write, FaultyDevice::Lands::when_released);
    {
        Bytes data = pattern(4096, 1);
        Pending pending(device, writing(0, data), told.callback());
        CHECK(pending.wait_until(soon()) == std::nullopt);
        CHECK(told.calls == 0);
        std::fill(data.begin(), data.end(), std::byte{0});
    }
    device.release_all();
    CHECK(told.calls == 1);
    CHECK(told.late);
    const Bytes expected = pattern(4096, 1);
    const Bytes content = device.content();
    CHECK(std::equal(expected.begin(), expected.end(), content.begin()));
}

TEST_CASE("who never waits leaves it behind")
{
    FaultyDevice device(8192);
    Told told;
    device.hold(Op::flush, FaultyDevice::Lands::when_released);
    { Pending pending(device, simple(Op::flush, 0, 0), told.callback()); }
    device.release_all();
    CHECK(told.calls == 1);
    CHECK(told.late);
}

TEST_CASE("a waiter is woken by the answer")
{
    FaultyDevice device(8192);
    device.hold(Op::flush, FaultyDevice::Lands::when_released);
    Pending pending(device, simple(Op::flush, 0, 0));
    std::thread helper([&] {
        device.wait_held(1);
        device.release_all();
    });
    CHECK(pending.wait_until(later()) == 0);
    helper.join();
}
