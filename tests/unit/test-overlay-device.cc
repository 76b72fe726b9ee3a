// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/overlay_device.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/device_test.h"
#include "tests/unit/faulty_device.h"
#include "tests/unit/seed.h"

using namespace device_test;
using resilience::OverlayDevice;
using resilience::OverlayStore;
using resilience::SetupError;
using resilience::test::FaultyDevice;
using resilience::test::Random;

namespace {

constexpr std::uint64_t device_size = 64 * 1024 + 100;
constexpr std::uint64_t identity = 42;
constexpr auto patience = 50ms;

std::shared_ptr<Device> base_of(const Bytes& content)
{
    auto base = std::make_shared<FaultyDevice>(content.size(), "base");
    REQUIRE(perform(*base, writing(0, content)) == 0);
    return base;
}

std::shared_ptr<OverlayDevice> temporary(const std::shared_ptr<Device>& base)
{
    return std::make_shared<OverlayDevice>(base, OverlayStore::temporary(base->size()));
}

std::shared_ptr<OverlayDevice> named(const std::shared_ptr<Device>& base, const std::string& path,
                                     std::uint64_t id = identity)
{
    return std::make_shared<OverlayDevice>(base,
                                           OverlayStore::named(path, base->size(), id, patience));
}

/// One random change, on the device and on an array.
void change(Random& random, Device& device, Bytes& content)
{
    const std::uint64_t length = random.between(1, 9000);
    const std::uint64_t offset = random.between(0, device_size - length);
    const auto at = content.begin() + static_cast<std::ptrdiff_t>(offset);
    const auto seed = static_cast<unsigned>(random.between(0, 1U << 30));
    const Flags flags{.fua = random.one_in(8), .may_trim = random.one_in(2)};
    if (random.one_in(3)) {
        const Op op = random.one_in(2) ? Op::zero : Op::trim;
        REQUIRE(perform(device, simple(op, offset, length, flags)) == 0);
        std::fill_n(at, length, std::byte{0});
    } else {
        const Bytes bytes = pattern(length, seed);
        REQUIRE(perform(device, writing(offset, bytes, flags)) == 0);
        std::copy(bytes.begin(), bytes.end(), at);
    }
}

/// Whether what is called zero reads as zeroes, and all is spoken of once.
void check_extents(Device& device, const Bytes& content)
{
    Request request = simple(Op::extents, 0, device.size());
    REQUIRE(device.execute(request) == 0);
    std::uint64_t at = 0;
    for (const auto& extent : request.extents) {
        if (extent.zero) {
            for (std::uint64_t i = at; i < at + extent.length; i++) {
                REQUIRE(content[i] == std::byte{0});
            }
        }
        at += extent.length;
    }
    REQUIRE(at == device.size());
}

std::string refusal(const std::function<void()>& what)
{
    try {
        what();
    } catch (const SetupError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("what was written over a device is what is read, and the device stays as it was")
{
    Random random;
    const Bytes original = pattern(device_size, 1);
    const auto base = base_of(original);
    const auto device = temporary(base);
    Bytes content = original;
    for (int i = 0; i < 2000; i++) {
        change(random, *device, content);
        if (i % 50 == 0) {
            REQUIRE(read_all(*device) == content);
            check_extents(*device, content);
        }
    }
    CHECK(read_all(*device) == content);
    CHECK(read_all(*base) == original);
}

TEST_CASE("a named overlay goes on where it ended")
{
    Random random;
    const TemporaryFolder folder("/tmp");
    const auto base = base_of(pattern(device_size, 1));
    Bytes content = read_all(*base);
    for (int round = 0; round < 20; round++) {
        const auto device = named(base, folder / "o");
        REQUIRE(read_all(*device) == content);
        for (int i = 0; i < 20; i++) {
            change(random, *device, content);
        }
        if (random.one_in(3)) {
            REQUIRE(perform(*device, simple(Op::flush, 0, 0)) == 0);
        }
    }
}

TEST_CASE("what a named overlay has flushed is on disk before it is closed")
{
    const TemporaryFolder folder("/tmp");
    const auto base = base_of(pattern(device_size, 1));
    const auto device = named(base, folder / "o");
    const bool fua = GENERATE(false, true);
    REQUIRE(perform(*device, writing(1000, pattern(5000, 2), {.fua = fua})) == 0);
    if (!fua) {
        REQUIRE(perform(*device, simple(Op::flush, 0, 0)) == 0);
    }
    // A copy of the files is what a crash would leave.
    std::filesystem::copy_file(folder / "o", folder / "copy");
    std::filesystem::copy_file(folder / "o.map", folder / "copy.map");
    CHECK(read_all(*named(base, folder / "copy")) == read_all(*device));
}

TEST_CASE("an overlay in which nothing was written leaves nothing behind")
{
    const TemporaryFolder folder("/tmp");
    const auto base = base_of(pattern(device_size, 1));
    read_all(*named(base, folder / "o"));
    CHECK_FALSE(std::filesystem::exists(folder / "o"));
    CHECK_FALSE(std::filesystem::exists(folder / "o.map"));
}

TEST_CASE("only one at a time has a named overlay")
{
    const TemporaryFolder folder("/tmp");
    const auto base = base_of(pattern(device_size, 1));
    auto first = named(base, folder / "o");
    CHECK_THAT(refusal([&] { named(base, folder / "o"); }), Catch::Contains("is in use"));
    // One that is closed in time is waited for, even if it removes its file.
    std::thread closes([&] { first.reset(); });
    const auto second = std::make_shared<OverlayDevice>(
        base, OverlayStore::named(folder / "o", base->size(), identity, 10s));
    closes.join();
    REQUIRE(perform(*second, writing(0, pattern(10, 1))) == 0);
    CHECK(std::filesystem::exists(folder / "o"));
}

TEST_CASE("an overlay of something else is refused, and so are damaged files")
{
    const TemporaryFolder folder("/tmp");
    const auto base = base_of(pattern(device_size, 1));
    const std::string path = folder / "o";
    const std::string map = path + ".map";
    REQUIRE(perform(*named(base, path), writing(0, pattern(3000, 2))) == 0);
    const auto refused = [&] { return refusal([&] { named(base, path); }); };
    CHECK(refused().empty());

    SECTION("another state")
    {
        CHECK_THAT(refusal([&] { named(base, path, identity + 1); }),
                   Catch::Contains("another log, state or base"));
    }
    SECTION("another size")
    {
        CHECK_THAT(refusal([&] { named(base_of(pattern(4096, 1)), path); }),
                   Catch::Contains("of 65636 bytes, not 4096"));
    }
    SECTION("each bit of the map")
    {
        const Bytes good = content_of(map);
        for (std::size_t bit = 0; bit < good.size() * 8; bit++) {
            Bytes bad = good;
            bad[bit / 8] ^= std::byte(1 << bit % 8);
            make_file(map, bad);
            INFO("bit " << bit);
            REQUIRE_FALSE(refused().empty());
        }
    }
    SECTION("each length of the map")
    {
        const Bytes good = content_of(map);
        for (std::size_t length = 0; length < good.size(); length++) {
            make_file(map, Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)));
            REQUIRE_FALSE(refused().empty());
        }
    }
    SECTION("no map")
    {
        std::filesystem::remove(map);
        CHECK_THAT(refused(), Catch::Contains("there is no " + map));
    }
    SECTION("no content")
    {
        std::filesystem::remove(path);
        CHECK_THAT(refused(), Catch::Contains("is 0 bytes long"));
    }
    SECTION("a folder")
    {
        CHECK_THAT(refusal([&] { named(base, folder / "."); }),
                   Catch::Contains("cannot be opened"));
    }
}

TEST_CASE("a write needs nothing from below")
{
    const auto base = std::make_shared<FaultyDevice>(device_size, "base");
    const auto device = temporary(base);
    base->fail(Op::read, EIO, 100);
    CHECK(perform(*device, writing(77, pattern(100, 1))) == 0);
    Bytes back(100);
    CHECK(perform(*device, reading(77, back)) == 0);
    CHECK(back == pattern(100, 1));
    CHECK(perform(*device, reading(76, back)) == EIO);
}

TEST_CASE("a zeroed terabyte costs nothing, and a zeroed range gives its space back")
{
    const auto base = std::make_shared<FaultyDevice>(4096, "base");
    auto store = OverlayStore::temporary(std::uint64_t{1} << 40);
    auto* const opened = store.get();
    REQUIRE(opened->write(1 << 20, pattern(1 << 20, 1)) == 0);
    opened->forget({1 << 20, 2 << 20});
    Bytes back(100);
    REQUIRE(opened->read(1 << 20, back) == 0);
    CHECK(back == Bytes(100));

    resilience::OverlayMap map;
    map.put({0, std::uint64_t{1} << 40}, resilience::Layer::zero);
    map.put({4096, 8192}, resilience::Layer::data);
    CHECK(map.size() == 3);
    map.put({0, std::uint64_t{1} << 40}, resilience::Layer::zero);
    CHECK(map.size() == 1);
}

TEST_CASE("what several threads write to different places is all there")
{
    const auto base = base_of(pattern(device_size, 1));
    const auto device = temporary(base);
    Bytes content = read_all(*base);
    std::vector<std::thread> threads;
    constexpr std::uint64_t share = device_size / 4;
    for (unsigned t = 0; t < 4; t++) {
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < 500; i++) {
                const std::uint64_t offset = t * share + i * 37 % (share - 100);
                const Bytes bytes = pattern(100, t * 1000 + i);
                const bool zero = i % 5 == 0;
                const int error = zero
                                      ? perform(*device, simple(Op::zero, offset, bytes.size()))
                                      : perform(*device, writing(offset, bytes));
                if (error == 0) {
                    for (std::size_t k = 0; k < bytes.size(); k++) {
                        content[offset + k] = zero ? std::byte{0} : bytes[k];
                    }
                }
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(read_all(*device) == content);
}
