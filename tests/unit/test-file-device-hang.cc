// SPDX-License-Identifier: BSD-3-Clause

// Files that hang or lose data, through FUSE: nbdfuse shows an NBD server as a
// file, and the server is stopped, or told to fail.

#include <atomic>
#include <cerrno>

#include <catch2/catch.hpp>

#include "common/child/child_spec.h"
#include "common/file/file_device.h"
#include "tests/unit/device_test.h"
#include "tests/unit/fuse_file.h"

using namespace device_test;
using resilience::OpenOptions;
using resilience::FileDevice;
using resilience::SetupError;

namespace {

/// Memory that tells when it is freed.
std::shared_ptr<Bytes> watched_buffer(std::size_t size, std::atomic<bool>& freed)
{
    return {new Bytes(size), [&freed](Bytes* bytes) {
                delete bytes;
                freed = true;
            }};
}

}  // namespace

TEST_CASE("a file that hangs holds up neither submit nor stop, and keeps its memory")
{
    if (!have_fuse()) {
        return;
    }
    const TemporaryFolder folder("/tmp");
    std::atomic<bool> freed{false};
    std::weak_ptr<FileDevice> watch;
    {
        const FuseFile file(folder, {"memory", "1M"});
        auto device = std::make_shared<FileDevice>(file.path(), OpenOptions{});
        watch = device;
        device->start();
        file.hang();

        auto buffer = watched_buffer(4096, freed);
        auto request = std::make_shared<Request>(reading(64 * 1024, *buffer));
        request->owner = buffer;
        buffer.reset();
        Result result;
        const auto begin = std::chrono::steady_clock::now();
        CHECK(device->execute_now(*request) == std::nullopt);
        device->submit(request, result.completion());
        request.reset();
        CHECK(std::chrono::steady_clock::now() - begin < 2s);
        CHECK(result.wait(100ms) == std::nullopt);

        device->stop(200ms);
        CHECK(std::chrono::steady_clock::now() - begin < 5s);
        CHECK(result.wait() == ESHUTDOWN);
        device.reset();
        CHECK_FALSE(freed);
        CHECK_FALSE(watch.expired());

        file.go_on();
        CHECK(eventually([&] { return freed && watch.expired(); }));
        CHECK(result.calls() == 1);
    }
}

TEST_CASE("opening a file that hangs ends with the timeout, and says so")
{
    if (!have_fuse()) {
        return;
    }
    const TemporaryFolder folder("/tmp");
    const FuseFile file(folder, {"memory", "1M"});
    file.hang_all();
    std::string text;
    const auto begin = std::chrono::steady_clock::now();
    try {
        const FileDevice device(file.path(), {.timeout = 200ms});
    } catch (const SetupError& error) {
        text = error.what();
    }
    CHECK_THAT(text, Catch::Contains("did not answer within 200 ms") &&
                         Catch::Contains(file.path()));
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("a flush that has failed once fails for ever, though the disk is well again")
{
    if (!have_fuse()) {
        return;
    }
    const TemporaryFolder folder("/tmp");
    const auto broken = folder / "broken";
    const FuseFile file(folder,
                        {"eval", "get_size=echo 1048576", "can_write=exit 0", "can_flush=exit 0",
                         "pread=dd if=/dev/zero bs=$3 count=1 status=none", "pwrite=cat >/dev/null",
                         "flush=if [ -e " + broken + " ]; then echo EIO >&2; exit 1; fi"});
    const auto device = std::make_shared<FileDevice>(file.path(), OpenOptions{});
    const Bytes bytes(4096);
    CHECK(perform(*device, writing(0, bytes)) == 0);
    CHECK(perform(*device, simple(Op::flush, 0, 0)) == 0);
    CHECK(perform(*device, writing(0, bytes, {.fua = true})) == 0);
    make_file(broken, {});
    CHECK(perform(*device, writing(4096, bytes)) == 0);
    CHECK(perform(*device, simple(Op::flush, 0, 0)) == EIO);
    std::filesystem::remove(broken);
    CHECK(perform(*device, simple(Op::flush, 0, 0)) == EIO);
    CHECK(perform(*device, writing(0, bytes, {.fua = true})) == EIO);
    CHECK(perform(*device, simple(Op::zero, 0, 4096, {.fua = true})) == EIO);
    CHECK(device->invalidate_cache() == EIO);
    // Opened again, it is a new beginning.
    const auto again = std::make_shared<FileDevice>(file.path(), OpenOptions{.lock = false});
    CHECK(perform(*again, simple(Op::flush, 0, 0)) == 0);
}

TEST_CASE("a FUA write whose sync fails is an error, and remembered")
{
    if (!have_fuse()) {
        return;
    }
    const TemporaryFolder folder("/tmp");
    const auto broken = folder / "broken";
    const FuseFile file(folder,
                        {"eval", "get_size=echo 1048576", "can_write=exit 0", "can_flush=exit 0",
                         "pread=dd if=/dev/zero bs=$3 count=1 status=none", "pwrite=cat >/dev/null",
                         "flush=if [ -e " + broken + " ]; then echo EIO >&2; exit 1; fi"});
    const auto device = std::make_shared<FileDevice>(file.path(), OpenOptions{});
    const Bytes bytes(4096);
    make_file(broken, {});
    CHECK(perform(*device, writing(0, bytes, {.fua = true})) == EIO);
    std::filesystem::remove(broken);
    CHECK(perform(*device, simple(Op::flush, 0, 0)) == EIO);
}

TEST_CASE("a file system without holes: zeroes are written, fast zeroes refused")
{
    if (!have_fuse()) {
        return;
    }
    const TemporaryFolder folder("/tmp");
    const FuseFile file(folder, {"--filter=nozero", "memory", "1M"});
    const auto device = std::make_shared<FileDevice>(file.path(), OpenOptions{});
    const bool fast = device->capabilities().fast_zero;
    const Bytes bytes = pattern(64 * 1024, 3);
    CHECK(perform(*device, writing(0, bytes)) == 0);
    const int error = perform(*device, simple(Op::zero, 0, 4096, {.fast_zero = true}));
    CHECK((error == ENOTSUP || fast));
    Bytes now(bytes.size());
    CHECK(perform(*device, reading(0, now)) == 0);
    CHECK((error == 0 || now == bytes));
    CHECK(perform(*device, simple(Op::zero, 0, 4096, {.fua = true})) == 0);
    CHECK(perform(*device, simple(Op::zero, 4096, 4096, {.may_trim = true})) == 0);
    CHECK(perform(*device, simple(Op::trim, 8192, 4096)) == 0);
    Bytes zeroes(8192);
    now.resize(8192);
    CHECK(perform(*device, reading(0, now)) == 0);
    CHECK((now == zeroes));
}
