// SPDX-License-Identifier: BSD-3-Clause

// The verifier over devices that do wrong what they are told to do wrong: what
// is compared, what is not, and what becomes of a reference that goes away.

#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "filters/blkverify/verify_device.h"
#include "tests/unit/device_test.h"
#include "tests/unit/faulty_device.h"

using namespace device_test;
using namespace resilience;
using namespace resilience::blkverify;
using resilience::test::FaultyDevice;

namespace {

constexpr std::uint64_t device_size = 1 << 20;

struct Recorder : Observer {
    std::mutex mutex;
    std::vector<Mismatch> found;
    int lost = 0;
    int back = 0;
    std::string reason;

    void mismatch(const Mismatch& mismatch) override
    {
        const std::lock_guard lock(mutex);
        found.push_back(mismatch);
    }
    void reference_lost(const std::string& why) override
    {
        const std::lock_guard lock(mutex);
        ++lost;
        reason = why;
    }
    void reference_back(std::uint64_t) override
    {
        const std::lock_guard lock(mutex);
        ++back;
    }
};

/// Keeps a device inside a request, until it is told to go on.
class Gate {
public:
    Gate(FaultyDevice& device, Op op)
    {
        device.on_request([this, op](const Request& request) {
            std::unique_lock lock(mutex_);
            if (request.op == op && !open_) {
                inside_ = true;
                changed_.notify_all();
                changed_.wait(lock, [this] { return open_; });
            }
        });
    }
    void wait_inside()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return inside_; });
    }
    void open()
    {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool inside_ = false;
    bool open_ = false;
};

/// Two equal devices and a verifier over them.
struct World {
    std::shared_ptr<FaultyDevice> test = std::make_shared<FaultyDevice>(device_size, "test");
    std::shared_ptr<FaultyDevice> raw = std::make_shared<FaultyDevice>(device_size, "raw");
    Recorder seen;
    std::shared_ptr<VerifyDevice> device;

    explicit World(OnMismatch mode = OnMismatch::report, double sample = 1,
                   std::chrono::milliseconds timeout = 100ms, std::uint32_t block = 1)
    {
        Options options;
        options.on_mismatch = mode;
        options.sample = sample;
        options.timeout = timeout;
        raw->limits().minimum = block;
        device = std::make_shared<VerifyDevice>(options, test, raw, seen);
    }

    int read(std::uint64_t offset, std::size_t length)
    {
        Bytes bytes(length);
        return perform(*device, reading(offset, bytes));
    }
    int write(std::uint64_t offset, std::size_t length, unsigned seed = 1)
    {
        const Bytes bytes = pattern(length, seed);
        return perform(*device, writing(offset, bytes));
    }
    std::uint64_t untrusted() const { return device->reference().untrusted_bytes(); }
    const OperationStatistics& of(Op op) const { return device->statistics().of(op); }
    /// The reference is restarted, and what was not flushed is gone.
    void restart_reference()
    {
        raw->drop_link();
        raw->forget_unflushed();
        raw->return_link();
        CHECK(comes_back());
    }
    bool comes_back()
    {
        return eventually([this] {
            device->housekeep();
            return device->reference().present();
        });
    }
};

}  // namespace

TEST_CASE("equal data, equal zeroes, equal trims, equal flushes: nothing is reported")
{
    const bool immediate = GENERATE(false, true);
    World world;
    world.raw->set_immediate(immediate);
    CHECK(world.write(0, 8192) == 0);
    CHECK(perform(*world.device, simple(Op::zero, 512, 512)) == 0);
    CHECK(perform(*world.device, simple(Op::trim, 1024, 512)) == 0);
    CHECK(perform(*world.device, simple(Op::flush, 0, 0)) == 0);
    CHECK(world.read(0, 8192) == 0);
    CHECK(world.seen.found.empty());
    CHECK(world.test->content() == world.raw->content());
    CHECK(world.raw->on_medium(4096) == world.raw->at(4096));  // it was flushed
    CHECK(world.raw->count(Op::trim) == 0);                    // it got zeroes
    CHECK(world.test->count(Op::trim) == 0);
    CHECK(world.of(Op::read).compared == 1);
    CHECK(world.of(Op::read).compared_bytes == 8192);
}

TEST_CASE("one flipped bit is found, in every mode, and its place is told")
{
    const OnMismatch mode = GENERATE(OnMismatch::exit, OnMismatch::error, OnMismatch::report);
    World world(mode);
    world.raw->set_immediate(GENERATE(false, true));
    world.test->flip(70000, std::byte{4});
    CHECK(world.read(0, 65536) == 0);
    CHECK(world.read(65536, 8192) == (mode == OnMismatch::report ? 0 : EIO));
    REQUIRE(world.seen.found.size() == 1);
    const Mismatch& found = world.seen.found[0];
    CHECK(found.position == 70000);
    CHECK(found.differing_bytes == 1);
    CHECK(found.differing_sectors == 1);
    CHECK(qemu_text(found) ==
          "blkverify: read offset=65536 bytes=8192 contents mismatch at offset 70000");
    CHECK(world.device->mismatches().total() == 1);
}

TEST_CASE("result codes: unequal ones are a mismatch, equal ones are not")
{
    World world(OnMismatch::error);
    world.test->fail(Op::read, EIO);
    world.raw->fail(Op::read, EIO);
    world.test->flip(0, std::byte{1});  // would differ, if it were compared
    CHECK(world.read(0, 512) == EIO);
    CHECK(world.seen.found.empty());
    world.test->flip(0, std::byte{1});

    world.raw->fail(Op::write, ENOSPC);
    CHECK(world.write(0, 512) == EIO);
    REQUIRE(world.seen.found.size() == 1);
    CHECK(qemu_text(world.seen.found[0]) ==
          "blkverify: write offset=0 bytes=512 return value mismatch 0 != -28");
    world.test->fail(Op::read, EIO);
    CHECK(world.read(8192, 512) == EIO);
    CHECK(world.seen.found.size() == 2);

    // The reference's server has no word for this error.
    world.test->fail(Op::write, EDQUOT);
    world.raw->fail(Op::write, ENOSPC);
    CHECK(world.write(16384, 512) == EDQUOT);
    CHECK(world.seen.found.size() == 2);
}

TEST_CASE("what a failed write left is not compared until both have been written")
{
    World world;
    world.test->fail(Op::write, EIO);
    world.raw->fail(Op::write, EIO);
    CHECK(world.write(4096, 4096) == EIO);
    CHECK(world.untrusted() == 4096);
    world.test->flip(5000, std::byte{1});
    CHECK(world.read(0, 16384) == 0);
    CHECK(world.seen.found.empty());
    world.test->flip(9000, std::byte{1});
    CHECK(world.read(0, 16384) == 0);
    CHECK(world.seen.found.size() == 1);  // beside it
    world.test->flip(9000, std::byte{1});

    // An error is not compared either where they may differ.
    world.test->fail(Op::read, EIO);
    CHECK(world.read(4096, 512) == EIO);
    CHECK(world.seen.found.size() == 1);

    CHECK(world.write(4096, 4096) == 0);
    CHECK(world.untrusted() == 0);
    world.test->flip(5000, std::byte{1});
    CHECK(world.read(0, 16384) == 0);
    CHECK(world.seen.found.size() == 2);
}

TEST_CASE("a fast zero that is refused changes nothing on either side")
{
    World world;
    CHECK(world.write(0, 4096) == 0);
    world.test->fail(Op::zero, ENOTSUP);
    CHECK(perform(*world.device, simple(Op::zero, 0, 4096, {.fast_zero = true})) == ENOTSUP);
    CHECK(world.raw->count(Op::zero) == 0);
    CHECK(world.untrusted() == 0);
    CHECK(world.seen.found.empty());
    world.raw->traits().fast_zero = false;  // it writes the zeroes after all
    CHECK(perform(*world.device, simple(Op::zero, 0, 4096, {.fast_zero = true})) == 0);
    CHECK(world.raw->at(0) == std::byte{0});
    CHECK(world.read(0, 4096) == 0);
    CHECK(world.seen.found.empty());
}

TEST_CASE("a share of the reads, evenly spread")
{
    World world(OnMismatch::report, 0.25);
    for (unsigned i = 0; i < 40; i++) {
        CHECK(world.read(0, 512) == 0);
        CHECK(world.of(Op::read).compared == (i + 1) / 4);
    }
    CHECK(world.of(Op::read).not_sampled == 30);
    CHECK(world.raw->count(Op::read) == 10);
}

TEST_CASE("a reference that does not answer: one deadline, then none")
{
    World world;
    world.raw->hold_all();
    const auto begun = std::chrono::steady_clock::now();
    CHECK(world.write(0, 4096) == 0);
    CHECK(std::chrono::steady_clock::now() - begun >= 100ms);
    CHECK(world.seen.lost == 1);
    CHECK(world.seen.reason == "write offset=0 bytes=4096 was not answered within 0.1 s");
    CHECK(world.untrusted() == 4096);

    CHECK(world.write(2048, 4096, 2) == 0);
    CHECK(world.read(0, 8192) == 0);
    CHECK(perform(*world.device, simple(Op::flush, 0, 0)) == 0);
    CHECK(world.raw->held() == 1);  // it was asked nothing more
    CHECK(world.seen.lost == 1);
    CHECK(world.untrusted() == 6144);

    // It owes an answer: it is not back before that has come.
    world.raw->hold_none();
    world.device->housekeep();
    CHECK_FALSE(world.device->reference().present());
    world.raw->release_all();
    CHECK(world.comes_back());
    CHECK(world.seen.back == 1);
    CHECK(world.read(0, 8192) == 0);
    CHECK(world.seen.found.empty());
    CHECK(world.write(0, 8192, 3) == 0);
    CHECK(world.untrusted() == 0);
}

TEST_CASE("a lost reference with on-mismatch=error: EIO, and nothing is changed")
{
    World world(OnMismatch::error);
    CHECK(world.write(0, 4096) == 0);
    world.raw->drop_link();
    world.device->housekeep();
    CHECK(world.seen.lost == 1);
    const Bytes before = world.test->content();
    CHECK(world.write(0, 4096, 2) == EIO);
    CHECK(world.read(0, 512) == EIO);
    CHECK(perform(*world.device, simple(Op::flush, 0, 0)) == EIO);
    CHECK(world.test->content() == before);
    world.raw->return_link();
    CHECK(world.comes_back());
    CHECK(world.write(0, 4096, 2) == 0);
}

TEST_CASE("what was not flushed when the link was lost is not trusted")
{
    World world;
    CHECK(world.write(0, 65536) == 0);
    CHECK(perform(*world.device, simple(Op::flush, 0, 0)) == 0);
    CHECK(world.write(131072, 512) == 0);
    CHECK(perform(*world.device, simple(Op::zero, 262144, 512, {.fua = true})) == 0);
    world.restart_reference();
    CHECK(world.seen.lost == 1);
    CHECK(world.untrusted() == 65536);  // at 128 KiB; the FUA write is durable
    CHECK(world.read(131072, 4096) == 0);
    CHECK(world.read(0, 65536) == 0);
    CHECK(world.read(262144, 512) == 0);
    CHECK(world.seen.found.empty());
}

TEST_CASE("a flush that was answered before the link was lost makes nothing untrusted")
{
    World world;
    CHECK(world.write(0, 512) == 0);
    world.raw->fail(Op::flush, EIO);
    world.test->fail(Op::flush, EIO);
    CHECK(perform(*world.device, simple(Op::flush, 0, 0)) == EIO);
    world.raw->drop_link();
    world.raw->return_link();
    CHECK(world.comes_back());
    CHECK(world.untrusted() == 65536);  // the flush has failed: it is not durable
}

TEST_CASE("a write that the reference has forgotten before it is concluded")
{
    World world;
    Gate gate(*world.test, Op::write);
    std::thread writer([&] { CHECK(world.write(0, 4096) == 0); });
    gate.wait_inside();  // the reference has done its part
    world.restart_reference();
    gate.open();
    writer.join();
    CHECK(world.untrusted() == 4096);
    CHECK(world.read(0, 4096) == 0);
    CHECK(world.seen.found.empty());
}

TEST_CASE("a flush that was answered before a restart says nothing about after it")
{
    World world;
    CHECK(world.write(0, 512) == 0);
    Gate gate(*world.test, Op::flush);
    std::thread flusher(
        [&] { CHECK(perform(*world.device, simple(Op::flush, 0, 0)) == 0); });
    gate.wait_inside();
    world.restart_reference();
    gate.open();
    flusher.join();
    CHECK(world.untrusted() == 65536);
}

TEST_CASE("a read from before a restart is not compared")
{
    World world;
    Gate gate(*world.test, Op::read);
    std::thread reader([&] { CHECK(world.read(0, 512) == 0); });
    gate.wait_inside();
    world.restart_reference();
    gate.open();
    reader.join();
    CHECK(world.of(Op::read).compared == 0);
    CHECK(world.of(Op::read).not_comparable == 1);
}

TEST_CASE("a device under test that hangs: others go on, and on its range they end")
{
    World world(OnMismatch::report, 1, 10ms);
    Gate gate(*world.test, Op::write);
    std::thread writer([&] { CHECK(world.write(0, 4096) == 0); });
    gate.wait_inside();
    CHECK(world.read(8192, 512) == 0);
    CHECK(world.read(0, 512) == EIO);
    CHECK(perform(*world.device, simple(Op::zero, 0, 512)) == EIO);
    gate.open();
    writer.join();
    CHECK(world.read(0, 512) == 0);
}

TEST_CASE("writes to parts of one block of the reference wait for each other")
{
    World world(OnMismatch::report, 1, 100ms, 4096);
    Gate gate(*world.test, Op::write);
    std::thread first([&] { CHECK(world.write(0, 512) == 0); });
    gate.wait_inside();
    std::atomic<bool> done{false};
    std::thread second([&] {
        CHECK(perform(*world.device, simple(Op::zero, 3584, 512)) == 0);
        done = true;
    });
    std::this_thread::sleep_for(20ms);
    CHECK_FALSE(done);
    CHECK(perform(*world.device, simple(Op::zero, 4096, 512)) == 0);
    gate.open();
    first.join();
    second.join();
}

TEST_CASE("a write that was cut off has time to end before the reference is asked again")
{
    World world;
    world.raw->hold(Op::write);
    std::thread writer([&] { CHECK(world.write(0, 4096) == 0); });
    REQUIRE(world.raw->wait_held(1));
    world.raw->drop_link();
    writer.join();
    world.raw->hold_none();
    world.raw->return_link();
    const auto begun = std::chrono::steady_clock::now();
    CHECK(world.comes_back());
    CHECK(std::chrono::steady_clock::now() - begun >= 400ms);
    CHECK(world.untrusted() >= 4096);
}

TEST_CASE("overlapping requests wait for each other, others do not")
{
    World world;
    world.raw->hold(Op::write);
    std::thread writer([&] { CHECK(world.write(0, 4096) == 0); });
    REQUIRE(world.raw->wait_held(1));
    CHECK(world.read(8192, 4096) == 0);
    std::atomic<bool> done{false};
    std::thread reader([&] {
        CHECK(world.read(0, 8192) == 0);
        done = true;
    });
    std::this_thread::sleep_for(20ms);
    CHECK_FALSE(done);
    world.raw->release_all();
    writer.join();
    reader.join();
    CHECK(world.seen.found.empty());
}

TEST_CASE("a mismatch knows what touched the place before, and who")
{
    World world;
    Request change = simple(Op::trim, 0, 4096);
    CHECK(world.device->execute_for(change, 7) == 0);
    CHECK(world.write(8192, 512) == 0);
    CHECK(world.write(512, 512) == 0);
    world.raw->flip(600, std::byte{8});
    CHECK(world.read(0, 8192) == 0);
    REQUIRE(world.seen.found.size() == 1);
    const Mismatch& found = world.seen.found[0];
    REQUIRE(found.history.size() == 2);
    CHECK(found.history[0].op == Op::write);
    CHECK(found.history[1].op == Op::trim);
    CHECK(found.history[1].connection == 7);
    CHECK(found.dump_offset == 584);
    CHECK(found.test_dump.size() == 64);
    CHECK(found.test_dump[16] != found.reference_dump[16]);
}

TEST_CASE("the list of mismatches keeps the first and the newest, and counts all")
{
    MismatchList list(2, 3);
    for (int i = 0; i < 10; i++) {
        list.add({});
    }
    std::vector<std::uint64_t> numbers;
    for (const Mismatch& each : list.kept()) {
        numbers.push_back(each.number);
    }
    CHECK(numbers == std::vector<std::uint64_t>{1, 2, 8, 9, 10});
    list.clear();
    CHECK(list.kept().empty());
    CHECK(list.add({}) == 11);
}

TEST_CASE("two sides that do not fit together are refused")
{
    Recorder seen;
    const auto test = std::make_shared<FaultyDevice>(4096, "test");
    const auto other = std::make_shared<FaultyDevice>(4608, "other");
    CHECK_THROWS_WITH(VerifyDevice(Options{}, test, other, seen),
                      Catch::Contains("4096") && Catch::Contains("4608"));
    const auto fixed = std::make_shared<FaultyDevice>(4096, "fixed");
    fixed->traits().writable = false;
    CHECK_THROWS_WITH(VerifyDevice(Options{}, test, fixed, seen), Catch::Contains("read-only"));
    Options options;
    options.read_only = true;
    CHECK_FALSE(VerifyDevice(options, test, fixed, seen).capabilities().writable);
}
