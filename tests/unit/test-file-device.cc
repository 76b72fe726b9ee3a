// SPDX-License-Identifier: BSD-3-Clause
#include "common/file/file_device.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include <catch2/catch.hpp>

#include "tests/unit/device_test.h"

using namespace device_test;
using resilience::OpenOptions;
using resilience::Extent;
using resilience::ExtentList;
using resilience::FileDevice;
using resilience::SetupError;

namespace {

constexpr std::size_t mib = 1024 * 1024;

std::shared_ptr<FileDevice> open_device(const std::string& path, OpenOptions options = {})
{
    return std::make_shared<FileDevice>(path, options);
}

/// What the constructor says when it refuses.
std::string refusal(const std::string& path, const OpenOptions& options = {})
{
    try {
        open_device(path, options);
    } catch (const SetupError& error) {
        return error.what();
    }
    return "(opened)";
}

/// A file on tmpfs, or on the file system of the temporary folder (a disk).
struct Place {
    TemporaryFolder folder;
    std::string image;
    Bytes content = pattern(4 * mib, 7);

    explicit Place(const std::string& parent) : folder(parent), image(folder / "a.img")
    {
        make_file(image, content);
    }
};

std::string disk_folder()
{
    const char* chosen = std::getenv("TMPDIR");
    return chosen ? chosen : "/tmp";
}

bool same(const Bytes& content, std::uint64_t offset, const Bytes& part)
{
    return std::memcmp(content.data() + offset, part.data(), part.size()) == 0;
}

void put(Bytes& content, std::uint64_t offset, const Bytes& part)
{
    std::memcpy(content.data() + offset, part.data(), part.size());
}

std::uint64_t allocated(const std::string& path)
{
    struct stat st = {};
    stat(path.c_str(), &st);
    return static_cast<std::uint64_t>(st.st_blocks) * 512;
}

/// Every operation, at offsets that are multiples of `unit`, against a model.
void check_all_operations(Device& device, Bytes model, std::uint64_t unit)
{
    const auto at = [unit](std::uint64_t n) { return n * unit; };
    CHECK(device.size() == model.size());
    CHECK((read_all(device) == model));

    const Bytes some = pattern(at(3), 1);
    CHECK(perform(device, writing(at(5), some)) == 0);
    put(model, at(5), some);
    const Bytes large = pattern(mib + at(3), 2);
    CHECK(perform(device, writing(at(7), large, {.fua = true})) == 0);
    put(model, at(7), large);
    CHECK((read_all(device) == model));

    for (const bool may_trim : {false, true}) {
        for (const bool fua : {false, true}) {
            const auto offset = at(9) + (may_trim ? mib : 0) + (fua ? 2 * mib : 0);
            CHECK(perform(device, simple(Op::zero, offset, 64 * 1024 + at(5),
                                         {.fua = fua, .may_trim = may_trim})) == 0);
            put(model, offset, Bytes(64 * 1024 + at(5)));
        }
    }
    CHECK((read_all(device) == model));
    CHECK(perform(device, simple(Op::cache, at(1), at(2))) == 0);
    CHECK(perform(device, simple(Op::flush, 0, 0)) == 0);
    // Content after a trim is anything; only around it must stay the same.
    CHECK(perform(device, simple(Op::trim, 128 * 1024 + at(1), 256 * 1024, {.fua = true})) == 0);
    const Bytes now = read_all(device);
    const auto trim_end = 384 * 1024 + at(1);
    CHECK(std::memcmp(now.data(), model.data(), 128 * 1024 + at(1)) == 0);
    CHECK(std::memcmp(now.data() + trim_end, model.data() + trim_end,
                      model.size() - trim_end) == 0);
}

ExtentList extents_of(Device& device, std::uint64_t offset, std::uint64_t length,
                      Flags flags = {})
{
    Request request = simple(Op::extents, offset, length, flags);
    CHECK(device.execute(request) == 0);
    return request.extents;
}

/// A loop device over a file; detached at the end.
class LoopDevice {
public:
    LoopDevice(const std::string& image, const std::string& options)
    {
        const auto output = run("losetup --find --show " + options + " " + image);
        if (output.status == 0) {
            path_ = output.text.substr(0, output.text.find('\n'));
        }
    }
    LoopDevice(const LoopDevice&) = delete;
    LoopDevice& operator=(const LoopDevice&) = delete;
    ~LoopDevice()
    {
        if (!path_.empty()) {
            run("losetup --detach " + path_);
        }
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

bool have_loop_devices()
{
    if (access("/dev/loop-control", R_OK | W_OK) == 0 && geteuid() == 0) {
        return true;
    }
    WARN("skipped: no access to /dev/loop-control");
    return false;
}

}  // namespace

TEST_CASE("all operations on tmpfs")
{
    const Place place("/dev/shm");
    const auto device = open_device(place.image);
    check_all_operations(*device, place.content, 1);
    CHECK(device->invalidate_cache() == ENOTSUP);
}

TEST_CASE("all operations on a disk's file system")
{
    const Place place(disk_folder());
    const auto device = open_device(place.image);
    check_all_operations(*device, place.content, 1);
    CHECK(device->invalidate_cache() == 0);
}

TEST_CASE("all operations past the page cache")
{
    const Place place(disk_folder());
    const auto device = open_device(place.image, {.direct = true});
    const auto unit = device->block_limits().minimum;
    REQUIRE(unit >= 512);
    CHECK_FALSE(device->immediate(Op::read));
    check_all_operations(*device, place.content, unit);

    SECTION("memory need not be aligned")
    {
        Bytes memory(3 * mib + 1);
        auto request = simple(Op::read, unit, 3 * mib);
        request.into = std::span(memory).subspan(1);
        CHECK(device->execute(request) == 0);
        CHECK(std::memcmp(memory.data() + 1, content_of(place.image).data() + unit, 3 * mib) == 0);
        auto write = simple(Op::write, unit, 3 * mib, {.fua = true});
        write.from = std::span(memory).subspan(1);
        CHECK(device->execute(write) == 0);
    }
    SECTION("requests must be")
    {
        Bytes memory(unit);
        CHECK(perform(*device, reading(1, memory)) == EINVAL);
        CHECK(perform(*device, simple(Op::zero, 0, unit + 1)) == EINVAL);
    }
    SECTION("a size that is no multiple is refused")
    {
        make_file(place.folder / "odd.img", Bytes(1000));
        const auto text = refusal(place.folder / "odd.img", {.direct = true});
        CHECK_THAT(text, Catch::Contains("1000 bytes") && Catch::Contains("cache=none"));
    }
}

TEST_CASE("direct I/O is pointless on tmpfs and therefore ignored there")
{
    const Place place("/dev/shm");
    const auto device = open_device(place.image, {.direct = true});
    CHECK(device->block_limits().minimum == 1);
    check_all_operations(*device, place.content, 1);
}

TEST_CASE("tmpfs is served at once, in the calling thread")
{
    const Place place("/dev/shm");
    const auto device = open_device(place.image);
    Bytes bytes(100);
    for (auto request : {reading(5, bytes), writing(5, bytes, {.fua = true}),
                         simple(Op::zero, 0, 10), simple(Op::trim, 0, 10),
                         simple(Op::flush, 0, 0), simple(Op::extents, 0, 10)}) {
        CHECK(device->immediate(request.op));
        CHECK(device->execute_now(request) == 0);
    }
}

TEST_CASE("elsewhere only what is in the page cache is served at once")
{
    const Place place(disk_folder());
    const auto device = open_device(place.image);
    if (!device->immediate(Op::read)) {
        WARN("skipped: tmpfs or no RWF_NOWAIT here");
        return;
    }
    CHECK(device->invalidate_cache() == 0);
    Bytes bytes(64 * 1024);
    auto request = reading(mib, bytes);
    CHECK(device->execute_now(request) == std::nullopt);
    CHECK(device->execute(request) == 0);
    std::fill(bytes.begin(), bytes.end(), std::byte(0));
    CHECK(device->execute_now(request) == 0);
    CHECK(same(place.content, mib, bytes));
    auto flush = simple(Op::flush, 0, 0);
    CHECK(device->execute_now(flush) == std::nullopt);
    // A write that cannot be done at once is not done at all, or done again.
    auto write = writing(0, bytes);
    const auto result = device->execute_now(write);
    CHECK((result == 0 || result == std::nullopt));
    CHECK((result == 0 || !device->immediate(Op::write)));
}

TEST_CASE("a file that was cut short is EIO for everything, and stays short")
{
    for (const auto& parent : {std::string("/dev/shm"), disk_folder()}) {
        const Place place(parent);
        const auto device = open_device(place.image);
        REQUIRE(truncate(place.image.c_str(), mib) == 0);
        Bytes bytes(8192);
        CHECK(perform(*device, reading(0, bytes)) == 0);
        CHECK(perform(*device, reading(mib - 4096, bytes)) == EIO);
        CHECK(perform(*device, reading(2 * mib, bytes)) == EIO);
        CHECK(perform(*device, writing(mib - 4096, bytes)) == EIO);
        CHECK(perform(*device, writing(2 * mib, bytes)) == EIO);
        CHECK(perform(*device, simple(Op::zero, 2 * mib, 8192)) == EIO);
        CHECK(perform(*device, simple(Op::zero, 2 * mib, 8192, {.may_trim = true})) == EIO);
        CHECK(perform(*device, simple(Op::trim, 2 * mib, 8192)) == EIO);
        CHECK(perform(*device, simple(Op::extents, 2 * mib, 8192)) == EIO);
        auto now = reading(2 * mib, bytes);
        const auto result = device->execute_now(now);
        CHECK((result == EIO || result == std::nullopt));
        CHECK(std::filesystem::file_size(place.image) == mib);
    }
}

TEST_CASE("zeroes may be holes only if they may")
{
    for (const auto& parent : {std::string("/dev/shm"), disk_folder()}) {
        const Place place(parent);
        const auto device = open_device(place.image);
        REQUIRE(device->capabilities().zero);
        REQUIRE(device->capabilities().fast_zero);
        REQUIRE(device->capabilities().trim);
        const auto full = allocated(place.image);
        CHECK(perform(*device, simple(Op::zero, 0, mib, {.fast_zero = true})) == 0);
        CHECK(allocated(place.image) >= full);
        CHECK(perform(*device, simple(Op::zero, mib, mib, {.may_trim = true, .fast_zero = true})) ==
              0);
        CHECK(allocated(place.image) + mib <= full);
        CHECK(perform(*device, simple(Op::trim, 2 * mib, mib)) == 0);
        CHECK(allocated(place.image) + 2 * mib <= full);
        Bytes expected = place.content;
        put(expected, 0, Bytes(3 * mib));
        CHECK((read_all(*device) == expected));
        CHECK(std::filesystem::file_size(place.image) == 4 * mib);
    }
}

TEST_CASE("extents tell holes from data, clipped to the request")
{
    for (const auto& parent : {std::string("/dev/shm"), disk_folder()}) {
        const Place place(parent);
        const auto device = open_device(place.image);
        REQUIRE(device->capabilities().extents);
        REQUIRE(perform(*device, simple(Op::trim, mib, mib)) == 0);
        const Extent data{.length = mib, .hole = false, .zero = false};
        const Extent hole{.length = mib, .hole = true, .zero = true};
        CHECK((extents_of(*device, 0, 3 * mib) == ExtentList{data, hole, data}));
        CHECK((extents_of(*device, 0, 4 * mib, {.one_extent = true}) == ExtentList{data}));
        CHECK((extents_of(*device, mib, 3 * mib, {.one_extent = true}) == ExtentList{hole}));
        CHECK((extents_of(*device, mib - 1, 2) ==
               ExtentList{{1, false, false}, {1, true, true}}));
        CHECK((extents_of(*device, mib + 5, 7) == ExtentList{{7, true, true}}));
        CHECK((extents_of(*device, 3 * mib + 1, mib - 1) == ExtentList{{mib - 1, false, false}}));
    }
    const TemporaryFolder folder("/dev/shm");
    make_file(folder / "empty", {});
    REQUIRE(truncate((folder / "empty").c_str(), 5000) == 0);
    const auto device = open_device(folder / "empty");
    CHECK((extents_of(*device, 1, 4999) == ExtentList{{4999, true, true}}));
}

TEST_CASE("a read-only device changes nothing and needs no write permission")
{
    const Place place(disk_folder());
    REQUIRE(chmod(place.image.c_str(), 0444) == 0);
    const auto device = open_device(place.image, {.writable = false});
    CHECK_FALSE(device->capabilities().writable);
    const Bytes bytes(512);
    CHECK(perform(*device, writing(0, bytes)) == EROFS);
    CHECK(perform(*device, simple(Op::zero, 0, 512)) == EROFS);
    CHECK(perform(*device, simple(Op::trim, 0, 512)) == EROFS);
    auto flush = simple(Op::flush, 0, 0);
    CHECK(device->execute_now(flush) == 0);
    CHECK((read_all(*device) == place.content));
    // Even for root: its owner has said so.
    CHECK_THAT(refusal(place.image), Catch::Contains("cannot be written") &&
                                         Catch::Contains("open it read-only") &&
                                         Catch::Contains(place.image));
}

TEST_CASE("what is not a file or block device is refused, with a reason")
{
    const TemporaryFolder folder("/dev/shm");
    CHECK_THAT(refusal(folder / "missing"), Catch::Contains("does not exist"));
    CHECK_THAT(refusal(folder / "."), Catch::Contains("is a directory"));
    CHECK_THAT(refusal("/dev/null"), Catch::Contains("is a character device"));
    REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK_THAT(refusal(folder / "pipe"), Catch::Contains("is a pipe"));
    make_file(folder / "empty", {});
    CHECK_THAT(refusal(folder / "empty"), Catch::Contains("is empty"));
    make_file(folder / "file", Bytes(1));
    CHECK_THAT(refusal(folder / "file/below"), Catch::Contains("Not a directory"));
}

TEST_CASE("submit works before, during and after the life of the threads")
{
    const Place place("/dev/shm");
    const auto device = open_device(place.image);
    const auto buffer = std::make_shared<Bytes>(4096);
    const auto request = std::make_shared<Request>(reading(4096, *buffer));
    request->owner = buffer;
    const auto submit = [&] {
        Result result;
        device->submit(request, result.completion());
        return result.wait();
    };
    CHECK(submit() == ESHUTDOWN);
    device->start();
    CHECK(submit() == 0);
    CHECK(same(place.content, 4096, *buffer));
    device->stop(10s);
    CHECK(submit() == ESHUTDOWN);
}

TEST_CASE("all operations on a block device")
{
    if (!have_loop_devices()) {
        return;
    }
    const Place place(disk_folder());
    SECTION("through the page cache")
    {
        const LoopDevice loop(place.image, "");
        REQUIRE_FALSE(loop.path().empty());
        const auto device = open_device(loop.path());
        CHECK(device->capabilities().fast_zero);
        check_all_operations(*device, place.content, 1);
        CHECK(perform(*device, simple(Op::zero, 1, 510, {.fast_zero = true})) == ENOTSUP);
        // Without leave to unmap the kernel might have to write.
        const Bytes before = read_all(*device);
        CHECK(perform(*device, simple(Op::zero, 0, mib, {.fast_zero = true})) == ENOTSUP);
        CHECK((read_all(*device) == before));
        CHECK(perform(*device, simple(Op::zero, 1, mib, {.may_trim = true, .fast_zero = true})) ==
              0);
        CHECK(device->invalidate_cache() == 0);
        CHECK((extents_of(*device, 100, mib) == ExtentList{{mib, false, false}}));
    }
    SECTION("past it, with 4096-byte sectors")
    {
        const LoopDevice loop(place.image, "--sector-size 4096");
        REQUIRE_FALSE(loop.path().empty());
        const auto device = open_device(loop.path(), {.direct = true});
        CHECK(device->block_limits().minimum == 4096);
        check_all_operations(*device, place.content, 4096);
    }
    SECTION("read-only")
    {
        const LoopDevice loop(place.image, "--read-only");
        REQUIRE_FALSE(loop.path().empty());
        CHECK_THAT(refusal(loop.path()), Catch::Contains("cannot be written"));
        const auto device = open_device(loop.path(), {.writable = false});
        CHECK((read_all(*device) == place.content));
    }
}

TEST_CASE("a block device without a size is refused")
{
    if (!have_loop_devices()) {
        return;
    }
    const auto output = run("losetup --find");
    REQUIRE(output.status == 0);
    const auto text = refusal(output.text.substr(0, output.text.find('\n')), {.writable = false});
    CHECK_THAT(text, Catch::Contains("is empty") || Catch::Contains("cannot be opened"));
}

TEST_CASE("two devices on one file: writers exclude everybody, readers only writers")
{
    const Place place(disk_folder());
    const OpenOptions reader{.writable = false};
    {
        const auto device = open_device(place.image);
        CHECK_THAT(refusal(place.image), Catch::Contains("is in use"));
        CHECK_THAT(refusal(place.image, reader), Catch::Contains("is in use"));
        CHECK_NOTHROW(open_device(place.image, {.lock = false}));
    }
    const auto device = open_device(place.image, reader);
    CHECK_NOTHROW(open_device(place.image, reader));
    CHECK_THAT(refusal(place.image), Catch::Contains("is in use"));
}

TEST_CASE("QEMU's programs and we keep out of each other's way")
{
    if (!have_program("qemu-io") || !have_program("qemu-nbd") || !have_program("qemu-img")) {
        WARN("skipped: needs qemu-io, qemu-nbd and qemu-img");
        return;
    }
    const Place place(disk_folder());
    const auto qemu_io = [&](const std::string& options, const std::string& command) {
        return run("qemu-io -f raw " + options + " -c \"" + command + "\" " + place.image).text;
    };
    {
        const auto device = open_device(place.image);
        CHECK_THAT(qemu_io("", "write 0 512"), Catch::Contains("Failed to get \"write\" lock"));
        CHECK_THAT(run("qemu-img resize -f raw " + place.image + " 8M").text,
                   Catch::Contains("Failed to get \"write\" lock"));
        CHECK_THAT(run("qemu-img bench -c 1 -f raw " + place.image).text,
                   Catch::Contains("completed"));  // a reader who does not mind writers
    }
    {
        const auto device = open_device(place.image, {.writable = false});
        CHECK_THAT(qemu_io("", "write 0 512"), Catch::Contains("Failed to get \"write\" lock"));
        CHECK_THAT(qemu_io("-r", "read 0 512"), Catch::Contains("read 512/512 bytes"));
    }
    CHECK_THAT(qemu_io("", "write 0 512"), Catch::Contains("wrote 512/512 bytes"));

    const auto socket = place.folder / "qemu.sock";
    Process server({"timeout", "60", "qemu-nbd", "-t", "-f", "raw", "-k", socket, place.image});
    // Its socket is there before it opens the image and before a SIGTERM counts.
    REQUIRE(eventually([&] {
        return run("timeout 5 qemu-img info 'nbd+unix:///?socket=" + socket + "'").status == 0;
    }));
    CHECK_THAT(refusal(place.image), Catch::Contains("is in use"));
    CHECK_THAT(refusal(place.image, {.writable = false}), Catch::Contains("is in use"));
    server.signal(SIGTERM);
    server.wait();
    CHECK_NOTHROW(open_device(place.image));
}
