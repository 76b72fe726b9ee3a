// SPDX-License-Identifier: BSD-3-Clause

// Files that hang or lose data, through FUSE: nbdfuse shows an NBD server as a
// file, and the server is stopped, or told to fail.

#include <sys/vfs.h>

#include <atomic>
#include <cerrno>

#include <catch2/catch.hpp>

#include "common/child/child_spec.h"
#include "common/file/file_device.h"
#include "tests/unit/device_test.h"

using namespace device_test;
using resilience::OpenOptions;
using resilience::FileDevice;
using resilience::SetupError;

namespace {

/// A server on a socket, and its export as a file.
class FuseFile {
public:
    FuseFile(const TemporaryFolder& folder, std::vector<std::string> server)
        : mount_(folder / "mount"), server_(with_socket(folder, std::move(server)))
    {
        const auto socket = folder / "socket";
        std::filesystem::create_directory(mount_);
        // The socket is there before anybody listens; the pid file comes after.
        if (!eventually([&] { return std::filesystem::exists(folder / "pid"); })) {
            throw std::runtime_error("the server did not start");
        }
        fuse_.emplace(std::vector<std::string>{"nbdfuse", mount_, "--unix", socket});
        constexpr long fuse_magic = 0x65735546;
        if (!eventually([&] {
                struct statfs fs = {};
                return statfs(mount_.c_str(), &fs) == 0 && fs.f_type == fuse_magic;
            })) {
            throw std::runtime_error("nbdfuse did not mount");
        }
    }
    FuseFile(const FuseFile&) = delete;
    FuseFile& operator=(const FuseFile&) = delete;
    ~FuseFile()
    {
        // The server must go on, or the unmount would hang like everything.
        go_on();
        run("umount --lazy " + mount_);
        fuse_->kill_and_wait();
    }
    std::string path() const { return mount_ + "/nbd"; }
    /// The server hangs; what the kernel remembers of the file still works.
    void hang() const { server_.signal(SIGSTOP); }
    /// The whole file system hangs.
    void hang_all() const
    {
        hang();
        fuse_->signal(SIGSTOP);
    }
    void go_on() const
    {
        server_.signal(SIGCONT);
        fuse_->signal(SIGCONT);
    }

private:
    static std::vector<std::string> with_socket(const TemporaryFolder& folder,
                                                std::vector<std::string> server)
    {
        const std::vector<std::string> start = {"nbdkit", "-f", "-U", folder / "socket",
                                                "-P", folder / "pid"};
        server.insert(server.begin(), start.begin(), start.end());
        return server;
    }

    std::string mount_;
    Process server_;
    std::optional<Process> fuse_;
};

bool have_fuse()
{
    if (access("/dev/fuse", R_OK | W_OK) == 0 && geteuid() == 0 && have_program("nbdfuse") &&
        have_program("nbdkit")) {
        return true;
    }
    WARN("skipped: needs root, /dev/fuse, nbdfuse and nbdkit");
    return false;
}

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
