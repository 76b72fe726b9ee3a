// SPDX-License-Identifier: BSD-3-Clause
#include "common/device/aligned_device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include <catch2/catch.hpp>

#include "common/file/file_device.h"
#include "tests/unit/device_test.h"

using namespace device_test;
using resilience::AlignedDevice;
using resilience::BlockLimits;
using resilience::Capabilities;
using resilience::Completion;
using resilience::Extent;
using resilience::ExtentList;

namespace {

constexpr std::uint64_t block = 512;

/// A real file that takes only whole blocks and writes down what it is asked.
class BlockDevice : public Device {
public:
    explicit BlockDevice(const std::string& path)
        : file_(std::make_shared<resilience::FileDevice>(path, resilience::OpenOptions{}))
    {
    }
    std::string describe() const override { return file_->describe(); }
    std::uint64_t size() const override { return file_->size(); }
    Capabilities capabilities() const override { return file_->capabilities(); }
    BlockLimits block_limits() const override { return {.minimum = block}; }
    int execute(Request& request) override
    {
        seen.push_back(request);
        if (request.op != Op::flush && (request.offset | request.length) % block != 0) {
            return EINVAL;
        }
        if (request.end() > size() / block * block) {
            return EINVAL;
        }
        if (request.op == fails) {
            return EIO;
        }
        return file_->execute(request);
    }
    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        ++submitted;
        done(execute(*request));
    }
    std::optional<int> execute_now(Request& request) override { return execute(request); }

    std::vector<Request> seen;
    std::optional<Op> fails;
    int submitted = 0;

private:
    std::shared_ptr<Device> file_;
};

struct Setup {
    TemporaryFolder folder{"/dev/shm"};
    Bytes model = pattern(4 * 1024 * 1024, 5);
    std::shared_ptr<BlockDevice> inner;
    std::shared_ptr<AlignedDevice> device;

    explicit Setup(std::size_t extra = 0)
    {
        Bytes content = model;
        content.resize(content.size() + extra);
        make_file(folder / "image", content);
        inner = std::make_shared<BlockDevice>(folder / "image");
        device = std::make_shared<AlignedDevice>(inner);
    }
    int count(Op op) const
    {
        return static_cast<int>(std::count_if(inner->seen.begin(), inner->seen.end(),
                                              [op](const Request& r) { return r.op == op; }));
    }
};

}  // namespace

TEST_CASE("any request is made to fit, and the neighbours stay as they are")
{
    Setup setup;
    std::mt19937 random(1);
    const auto size = setup.model.size();
    for (int i = 0; i < 3000; ++i) {
        // Mostly small, sometimes more than a megabyte (read in three parts).
        const std::uint64_t longest = i % 50 == 0 ? 3 * 1024 * 1024 : 4 * block;
        const std::uint64_t length = 1 + random() % longest;
        const std::uint64_t offset = random() % (size - length);
        Bytes bytes = pattern(length, static_cast<unsigned>(i));
        switch (random() % 4) {
        case 0:
            REQUIRE(perform(*setup.device, reading(offset, bytes)) == 0);
            REQUIRE(std::memcmp(bytes.data(), setup.model.data() + offset, length) == 0);
            break;
        case 1: {
            auto request = reading(offset, bytes);
            if (const auto error = setup.device->execute_now(request)) {
                REQUIRE(*error == 0);
                REQUIRE(std::memcmp(bytes.data(), setup.model.data() + offset, length) == 0);
            }
            break;
        }
        case 2:
            REQUIRE(perform(*setup.device, writing(offset, bytes)) == 0);
            std::memcpy(setup.model.data() + offset, bytes.data(), length);
            break;
        case 3:
            REQUIRE(perform(*setup.device,
                            simple(Op::zero, offset, length, {.may_trim = i % 2 == 0})) == 0);
            std::memset(setup.model.data() + offset, 0, length);
            break;
        }
    }
    CHECK((content_of(setup.folder / "image") == setup.model));
}

TEST_CASE("a request served at once is the right part of the block")
{
    Setup setup;
    Bytes bytes(700);
    auto request = reading(100, bytes);
    CHECK(setup.device->execute_now(request) == 0);
    CHECK(std::memcmp(bytes.data(), setup.model.data() + 100, 700) == 0);
    auto write = writing(100, bytes);
    CHECK(setup.device->execute_now(write) == std::nullopt);
}

TEST_CASE("aligned requests go straight through")
{
    Setup setup;
    const auto bytes = std::make_shared<Bytes>(block);
    const auto request = std::make_shared<Request>(reading(block, *bytes));
    request->owner = bytes;
    Result result;
    setup.device->submit(request, result.completion());
    CHECK(result.wait() == 0);
    CHECK(setup.inner->submitted == 1);
    CHECK(setup.inner->seen.size() == 1);
}

TEST_CASE("unaligned requests can be submitted")
{
    Setup setup;
    setup.device->start();
    const auto bytes = std::make_shared<Bytes>(3);
    const auto request = std::make_shared<Request>(reading(511, *bytes));
    request->owner = bytes;
    Result result;
    setup.device->submit(request, result.completion());
    CHECK(result.wait() == 0);
    CHECK(std::memcmp(bytes->data(), setup.model.data() + 511, 3) == 0);
    setup.device->stop(10s);
}

TEST_CASE("a read that fails fails the write: nothing is invented")
{
    Setup setup;
    setup.inner->fails = Op::read;
    CHECK(perform(*setup.device, writing(1, Bytes(5))) == EIO);
    CHECK(perform(*setup.device, simple(Op::zero, 1, 5)) == EIO);
    CHECK(setup.count(Op::write) == 0);
    CHECK((content_of(setup.folder / "image") == setup.model));
}

TEST_CASE("FUA goes with every piece")
{
    Setup setup;
    CHECK(perform(*setup.device, writing(100, Bytes(2000), {.fua = true})) == 0);
    CHECK(perform(*setup.device, simple(Op::zero, 100, 2000, {.fua = true})) == 0);
    CHECK(setup.count(Op::write) == 5);
    for (const auto& request : setup.inner->seen) {
        CHECK((request.op == Op::read || request.flags.fua));
    }
}

TEST_CASE("a fast zero of less than a block is not fast, and changes nothing")
{
    Setup setup;
    CHECK(perform(*setup.device, simple(Op::zero, 1, 700, {.fast_zero = true})) == ENOTSUP);
    CHECK((content_of(setup.folder / "image") == setup.model));
    setup.inner->fails = Op::zero;
    CHECK(perform(*setup.device, simple(Op::zero, 1, 7000, {.fast_zero = true})) == EIO);
    CHECK((content_of(setup.folder / "image") == setup.model));
}

TEST_CASE("a trim keeps the parts of blocks at its ends")
{
    Setup setup;
    CHECK(perform(*setup.device, simple(Op::trim, 1, 700)) == 0);
    CHECK(setup.inner->seen.empty());
    CHECK(perform(*setup.device, simple(Op::trim, 1, 2000)) == 0);
    REQUIRE(setup.inner->seen.size() == 1);
    CHECK(setup.inner->seen[0].offset == block);
    CHECK(setup.inner->seen[0].length == 2 * block);
}

TEST_CASE("extents are clipped to what was asked, cache is widened")
{
    Setup setup;
    REQUIRE(perform(*setup.device, simple(Op::trim, 64 * 1024, 64 * 1024)) == 0);
    Request request = simple(Op::extents, 64 * 1024 - 10, 64 * 1024 + 13);
    CHECK(setup.device->execute(request) == 0);
    CHECK((request.extents ==
           ExtentList{{10, false, false}, {64 * 1024, true, true}, {3, false, false}}));
    CHECK(perform(*setup.device, simple(Op::cache, 1, 1)) == 0);
}

TEST_CASE("a part of a block at the end of the device does not exist")
{
    Setup setup(100);
    CHECK(setup.device->size() == setup.model.size());
    CHECK(setup.device->block_limits().minimum == block);
    CHECK((read_all(*setup.device) == setup.model));
    Bytes last(1);
    CHECK(perform(*setup.device, reading(setup.model.size() - 1, last)) == 0);
}
