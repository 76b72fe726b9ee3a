// SPDX-License-Identifier: BSD-3-Clause

// Children that are away when they are needed, are lost while they are used, and come
// back, as the same or as another one.

#include <atomic>
#include <cerrno>

#include <catch2/catch.hpp>

#include "common/child/lasting_device.h"
#include "common/child/lasting_state.h"
#include "common/file/file_look.h"
#include "tests/unit/device_test.h"
#include "tests/unit/fuse_file.h"
#include "tests/unit/nbd_test.h"

using namespace device_test;
using resilience::ChildSpec;
using resilience::ExpectedDevice;
using resilience::LastingDevice;
using resilience::Link;
using resilience::OpenOptions;
using resilience::SetupError;
using resilience::test::Nbdkit;
using Catch::Matchers::Contains;

namespace {

constexpr std::uint64_t mebibyte = 1024 * 1024;

ExpectedDevice expected(std::uint64_t size = mebibyte)
{
    return {.size = size, .capabilities = {.zero = true, .trim = true}, .blocks = {}};
}

ChildSpec spec_of(const std::string& text)
{
    return resilience::parse_child_spec(text, "/");
}

std::shared_ptr<LastingDevice> started(std::shared_ptr<LastingDevice> device)
{
    device->start();
    return device;
}

/// There, and in use.
std::shared_ptr<LastingDevice> opened(const std::string& spec, const OpenOptions& options = {})
{
    return started(std::make_shared<LastingDevice>(spec_of(spec), options));
}

/// Not there yet.
std::shared_ptr<LastingDevice> away(const std::string& spec, const OpenOptions& options = {},
                                    const ExpectedDevice& needed = expected())
{
    return started(std::make_shared<LastingDevice>(spec_of(spec), options, needed, "no route"));
}

bool becomes(LastingDevice& device, Link link)
{
    return eventually([&] { return device.link() == link; });
}

/// Waits for words in link_error().
bool says(LastingDevice& device, const std::string& words)
{
    const bool said = eventually(
        [&] { return device.link_error().find(words) != std::string::npos; });
    if (!said) {
        UNSCOPED_INFO(device.link_error());
    }
    return said;
}

/// What submit() ends with.
int submitted(LastingDevice& device, Op op = Op::flush)
{
    auto buffer = std::make_shared<Bytes>(512);
    auto request = std::make_shared<Request>(simple(op, 0, op == Op::flush ? 0 : 512));
    request->into = *buffer;
    request->owner = buffer;
    Result result;
    device.submit(request, result.completion());
    return result.wait().value_or(-1);
}

int write_block(LastingDevice& device, const Bytes& data)
{
    return perform(device, writing(0, data));
}

/// Whether this process has a thread of that name.
bool has_thread(const std::string& name)
{
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream file(task.path() / "comm");
        std::string found;
        if (std::getline(file, found) && found == name) {
            return true;
        }
    }
    return false;
}

/// Moves `content` to `path` in one step.
void put_there(const std::string& path, const Bytes& content)
{
    make_file(path + ".new", content);
    std::filesystem::rename(path + ".new", path);
}

}  // namespace

TEST_CASE("what is away is what its user expects, says why, and refuses requests")
{
    const TemporaryFolder folder;
    const auto device = away(folder / "disk");
    CHECK(device->link() == Link::down);
    CHECK(device->size() == mebibyte);
    CHECK(device->capabilities().writable);
    CHECK(device->capabilities().zero);
    CHECK(device->block_limits().minimum == 1);
    CHECK(device->describe() == folder / "disk");
    CHECK(says(*device, "does not exist"));
    Bytes block(512);
    CHECK(perform(*device, reading(0, block)) == ENOTCONN);
    CHECK(submitted(*device) == ENOTCONN);
    CHECK_FALSE(device->immediate(Op::read));
    device->resume();  // means nothing
    CHECK(device->link() == Link::down);
    device->stop(2s);
    CHECK(submitted(*device) == ESHUTDOWN);
}

TEST_CASE("before it is started it says why it is away, and takes no requests")
{
    LastingDevice device(spec_of("/nowhere/disk"), {}, expected(), "no route to host");
    CHECK(device.link_error() == "no route to host");
    CHECK(device.link() == Link::down);
    CHECK(submitted(device) == ESHUTDOWN);
}

TEST_CASE("one that cannot be opened is refused, unless it may be away")
{
    const TemporaryFolder folder;
    CHECK_THROWS_AS(LastingDevice(spec_of(folder / "disk"), OpenOptions{}), SetupError);
}

TEST_CASE("a file that comes is returned, and serves after resume()")
{
    const TemporaryFolder folder;
    const auto device = away(folder / "disk");
    const Bytes content = pattern(mebibyte, 1);
    put_there(folder / "disk", content);
    REQUIRE(becomes(*device, Link::returned));
    CHECK_FALSE(device->is_as_before());
    CHECK_THAT(device->link_error(), Contains("not accepted yet"));
    CHECK(submitted(*device) == ENOTCONN);
    Bytes block(512);
    CHECK(perform(*device, reading(0, block)) == ENOTCONN);
    Request now = reading(0, block);
    CHECK(device->execute_now(now) == ENOTCONN);
    device->resume();
    CHECK(device->link() == Link::up);
    CHECK(device->link_error().empty());
    CHECK(read_all(*device) == content);
    CHECK(submitted(*device, Op::read) == 0);
}

TEST_CASE("a file that does not fit stays away, and it is said what differs")
{
    const TemporaryFolder folder;
    const auto disk = folder / "disk";
    OpenOptions options;
    options.lock = true;
    SECTION("another size")
    {
        put_there(disk, Bytes(4096));
        const auto device = away(disk);
        CHECK(says(*device, "has 4096 bytes, but 1048576 are needed"));
        CHECK(device->link() == Link::down);
        put_there(disk, Bytes(mebibyte));
        CHECK(becomes(*device, Link::returned));
    }
    SECTION("not writable")
    {
        put_there(disk, Bytes(mebibyte));
        std::filesystem::permissions(disk, std::filesystem::perms(0444));
        const auto device = away(disk);
        CHECK(says(*device, "cannot be written"));
        CHECK(device->link() == Link::down);
    }
    SECTION("a pipe, which is never opened")
    {
        REQUIRE(run("mkfifo " + disk).status == 0);
        const auto device = away(disk);
        CHECK(says(*device, "is a pipe"));
        CHECK(device->link() == Link::down);
    }
}

TEST_CASE("blocks that are larger than expected are refused")
{
    // tmpfs has no direct I/O before Linux 6.6, nor has it blocks.
    const TemporaryFolder folder("/var/tmp");
    OpenOptions options;
    options.direct = true;
    put_there(folder / "disk", Bytes(mebibyte));
    std::unique_ptr<LastingDevice> there;
    try {
        there = std::make_unique<LastingDevice>(spec_of(folder / "disk"), options);
    } catch (const SetupError& error) {
        WARN(error.what());
    }
    if (!there || there->block_limits().minimum < 2) {
        WARN("skipped: no direct I/O with blocks in /var/tmp");
        return;
    }
    const auto block = there->block_limits().minimum;
    there.reset();
    const auto device = away(folder / "disk", options);
    CHECK(says(*device, "takes only whole blocks of " + std::to_string(block) + " bytes"));
    ExpectedDevice large = expected();
    large.blocks.minimum = block;
    CHECK(becomes(*away(folder / "disk", options, large), Link::returned));
}

TEST_CASE("a file that was deleted is noticed, and opened again when it is back")
{
    const TemporaryFolder folder;
    const auto disk = folder / "disk";
    make_file(disk, Bytes(mebibyte));
    const auto device = opened(disk);
    CHECK(device->link() == Link::up);
    CHECK(device->immediate(Op::read));
    const Bytes data = pattern(512, 7);
    CHECK(write_block(*device, data) == 0);

    std::filesystem::rename(disk, folder / "aside");
    REQUIRE(becomes(*device, Link::down));
    CHECK_THAT(device->link_error(), Contains("'" + disk + "' was removed"));
    CHECK(write_block(*device, pattern(512, 8)) == ENOTCONN);
    CHECK(submitted(*device, Op::read) == ENOTCONN);
    CHECK_FALSE(device->immediate(Op::read));

    SECTION("the same")
    {
        std::filesystem::rename(folder / "aside", disk);
        REQUIRE(becomes(*device, Link::returned));
        CHECK(device->is_as_before());
        device->resume();
        Bytes block(512);
        CHECK(perform(*device, reading(0, block)) == 0);
        CHECK(block == data);
    }
    SECTION("a copy")
    {
        std::filesystem::copy(folder / "aside", disk);
        REQUIRE(becomes(*device, Link::returned));
        CHECK_FALSE(device->is_as_before());
    }
    SECTION("twice")
    {
        for (int i = 0; i < 2; ++i) {
            std::filesystem::rename(folder / "aside", disk);
            REQUIRE(becomes(*device, Link::returned));
            device->resume();
            CHECK(device->link() == Link::up);
            std::filesystem::rename(disk, folder / "aside");
            REQUIRE(becomes(*device, Link::down));
        }
    }
}

TEST_CASE("a file that was replaced by another of the same size is noticed")
{
    const TemporaryFolder folder;
    const auto disk = folder / "disk";
    make_file(disk, Bytes(mebibyte));
    const auto device = opened(disk);
    const Bytes other = pattern(mebibyte, 3);
    put_there(disk, other);
    REQUIRE(becomes(*device, Link::returned));  // down for a moment only
    CHECK_FALSE(device->is_as_before());
    CHECK(submitted(*device) == ENOTCONN);
    device->resume();
    CHECK(read_all(*device) == other);
    // And watched again.
    std::filesystem::remove(disk);
    CHECK(becomes(*device, Link::down));
}

TEST_CASE("a file that was truncated is noticed, and is another one when it has its size again")
{
    const TemporaryFolder folder;
    const auto disk = folder / "disk";
    make_file(disk, pattern(mebibyte, 4));
    const auto device = opened(disk);
    std::filesystem::resize_file(disk, 65536);
    REQUIRE(becomes(*device, Link::down));
    CHECK_THAT(device->link_error(), Contains("has 65536 bytes now, it had 1048576"));
    CHECK(submitted(*device) == ENOTCONN);
    CHECK(says(*device, "has 65536 bytes, but 1048576 are needed"));
    std::filesystem::resize_file(disk, mebibyte);
    REQUIRE(becomes(*device, Link::returned));
    CHECK_FALSE(device->is_as_before());
}

TEST_CASE("a file that grows stays what it is")
{
    const TemporaryFolder folder;
    make_file(folder / "disk", Bytes(mebibyte));
    resilience::FileDevice device(folder / "disk", {});
    std::filesystem::resize_file(folder / "disk", 2 * mebibyte);
    CHECK(look_at_file(folder / "disk", device.opened(), "disk").found ==
          resilience::FileLook::Found::same);
}

TEST_CASE("a disk that is there again is told from another one under its number")
{
    const TemporaryFolder folder;
    make_file(folder / "image", Bytes(mebibyte));
    make_file(folder / "other", Bytes(mebibyte));
    const auto attached = run("losetup --find --show " + (folder / "image"));
    const std::string loop = attached.text.substr(0, attached.text.find('\n'));
    if (attached.status != 0) {
        WARN("skipped: no loop device: " + attached.text);
        return;
    }
    const auto disk = folder / "disk";  // as udev's names for disks are links
    std::filesystem::create_symlink(loop, disk);
    const auto device = opened(disk);
    std::filesystem::remove(disk);
    REQUIRE(becomes(*device, Link::down));
    REQUIRE(says(*device, "was removed; when it was tried again"));  // and closed

    bool same = true;
    SECTION("the same") {}
    SECTION("another")
    {
        same = false;
        REQUIRE(run("losetup --detach " + loop).status == 0);
        if (run("losetup " + loop + " " + (folder / "other")).status != 0) {
            WARN("skipped: somebody else has taken " + loop);
            return;
        }
    }
    std::filesystem::create_symlink(loop, disk);
    CHECK(becomes(*device, Link::returned));
    CHECK(device->is_as_before() == same);
    device->stop(1s);
    run("losetup --detach " + loop);
}

TEST_CASE("a server that is away at the start is used when it comes")
{
    const TemporaryFolder folder;
    const auto socket = folder / "s";
    const auto device = away("nbd+unix:///?socket=" + socket);
    CHECK(says(*device, "cannot use"));
    CHECK(device->link() == Link::down);
    CHECK(submitted(*device) == ENOTCONN);

    std::optional<Nbdkit> server(std::in_place, socket, std::vector<std::string>{"memory", "1M"});
    REQUIRE(becomes(*device, Link::returned));
    CHECK(submitted(*device) == ENOTCONN);
    device->resume();
    REQUIRE(device->link() == Link::up);
    CHECK(device->link_error().empty());
    CHECK(write_block(*device, pattern(512, 1)) == 0);
    CHECK(submitted(*device, Op::read) == 0);

    // From now on its own device looks after the link.
    server.reset();
    REQUIRE(becomes(*device, Link::down));
    CHECK_FALSE(device->link_error().empty());
    CHECK(submitted(*device, Op::read) == ENOTCONN);
    server.emplace(socket, std::vector<std::string>{"memory", "1M"});
    REQUIRE(becomes(*device, Link::returned));
    CHECK_FALSE(device->is_as_before());
    device->resume();
    CHECK(device->link() == Link::up);
    CHECK(submitted(*device, Op::read) == 0);
    device->stop(2s);
    CHECK(device->link() == Link::down);
    CHECK(submitted(*device) == ESHUTDOWN);
}

TEST_CASE("a server that goes before it was accepted is not returned any more")
{
    const TemporaryFolder folder;
    const auto socket = folder / "s";
    const auto device = away("nbd+unix:///?socket=" + socket);
    std::optional<Nbdkit> server(std::in_place, socket, std::vector<std::string>{"memory", "1M"});
    REQUIRE(becomes(*device, Link::returned));
    server.reset();
    REQUIRE(becomes(*device, Link::down));
    server.emplace(socket, std::vector<std::string>{"memory", "1M"});
    REQUIRE(becomes(*device, Link::returned));
    device->resume();
    CHECK(submitted(*device, Op::read) == 0);
}

TEST_CASE("a server of another size stays away")
{
    const TemporaryFolder folder;
    const Nbdkit server(folder / "s", {"memory", "2M"});
    const auto device = away("nbd+unix:///?socket=" + (folder / "s"));
    CHECK(says(*device, "has 2097152 bytes, but 1048576 are needed"));
    CHECK(device->link() == Link::down);
}

TEST_CASE("what it holds can be read before it is started, and then it serves")
{
    const TemporaryFolder folder;
    Bytes data(mebibyte, std::byte{7});
    make_file(folder / "f", data);
    Nbdkit server(folder / "s", {"pattern", "1M"});
    const auto reads = [] {
        return std::vector<resilience::EarlyRead>{{4096, resilience::take_buffer(4096)},
                                                  {mebibyte - 4096, resilience::take_buffer(4096)}};
    };
    OpenOptions how;
    how.writable = false;
    const auto soon = [] { return resilience::real_clock().now() + 10s; };
    for (const std::string& spec : {folder / "f", server.uri()}) {
        LastingDevice device(spec_of(spec), how);
        auto found = reads();
        REQUIRE(device.read_early(found, soon()));
        for (const resilience::EarlyRead& read : found) {
            CHECK(read.error == 0);
            const bool is_file = spec == folder / "f";
            const auto byte = [&](std::size_t i) { return read.content.span()[i]; };
            CHECK(byte(6) == (is_file ? std::byte{7} : std::byte(read.offset >> 8)));
        }
        device.start();
        CHECK(device.link() == Link::up);
        Bytes buffer(512);
        auto request = simple(Op::read, 0, 512);
        request.into = buffer;
        CHECK(device.execute(request) == 0);
    }
    // What is not there before start(), and what is away.
    auto found = reads();
    CHECK_FALSE(LastingDevice(spec_of("[ nbdkit memory 1M ]"), {}).read_early(found, soon()));
    LastingDevice missing(spec_of(folder / "none"), {}, expected(), "no route");
    CHECK_FALSE(missing.read_early(found, soon()));
    // A frozen server: it is connected to again when it is started.
    LastingDevice frozen(spec_of(server.uri()), how);
    server.program().stop();
    CHECK_FALSE(frozen.read_early(found, resilience::real_clock().now() + 200ms));
    server.program().go_on();
    frozen.start();
    CHECK(becomes(frozen, Link::up));
}

TEST_CASE("a server that serves one connection only is not used up by a first look")
{
    if (!have_program("qemu-nbd")) {
        WARN("skipped: needs qemu-nbd");
        return;
    }
    const TemporaryFolder folder;
    make_file(folder / "disk", pattern(mebibyte, 5));
    const resilience::test::Program server(
        {"qemu-nbd", "-f", "raw", "-k", folder / "s", folder / "disk"});
    // Not by trying to connect: that would be the one connection.
    REQUIRE(eventually([&] { return run("ss -lx | grep -q " + (folder / "s")).status == 0; }));
    const auto uri = "nbd+unix:///?socket=" + (folder / "s");
    SECTION("it is there")
    {
        const auto device = opened(uri);
        REQUIRE(device->link() == Link::up);
        CHECK(read_all(*device) == pattern(mebibyte, 5));
    }
    SECTION("it comes")
    {
        const auto device = away(uri);
        REQUIRE(becomes(*device, Link::returned));
        device->resume();
        CHECK(read_all(*device) == pattern(mebibyte, 5));
    }
    SECTION("in any device")
    {
        const auto device = open_child(spec_of(uri), {});
        device->start();
        REQUIRE(device->link() == Link::up);
        CHECK(read_all(*device) == pattern(mebibyte, 5));
    }
}

TEST_CASE("a server that does not speak does not hold up stop()")
{
    const TemporaryFolder folder;
    Nbdkit silent(folder / "s", {"memory", "1M"});
    silent.program().stop();
    const auto device = away(silent.uri());
    REQUIRE(eventually([] { return has_thread("nbd-probe"); }));
    const auto begin = std::chrono::steady_clock::now();
    CHECK(submitted(*device) == ENOTCONN);
    device->stop(300ms);
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
    CHECK(submitted(*device) == ESHUTDOWN);
}

TEST_CASE("a file system that hangs is noticed, holds up nobody, and comes back")
{
    if (!have_fuse()) {
        return;
    }
    const TemporaryFolder folder("/tmp");
    OpenOptions options;
    options.timeout = 500ms;
    FuseFile file(folder, {"memory", "1M"});
    const auto device = opened(file.path(), options);
    CHECK(write_block(*device, pattern(512, 1)) == 0);
    file.hang_all();
    auto buffer = std::make_shared<Bytes>(4096);
    auto request = std::make_shared<Request>(reading(64 * 1024, *buffer));
    request->owner = buffer;
    Result hanging;
    device->submit(request, hanging.completion());
    REQUIRE(becomes(*device, Link::down));
    CHECK(says(*device, "did not answer within"));
    CHECK(submitted(*device) == ENOTCONN);
    SECTION("it comes back")
    {
        CHECK(hanging.calls() == 0);
        file.go_on();
        REQUIRE(becomes(*device, Link::returned));
        CHECK(hanging.calls() == 1);  // it was not opened before that
        device->resume();
        Bytes block(512);
        CHECK(perform(*device, reading(0, block)) == 0);
        CHECK(block == pattern(512, 1));
    }
    SECTION("it is stopped meanwhile")
    {
        const auto begin = std::chrono::steady_clock::now();
        device->stop(400ms);
        CHECK(std::chrono::steady_clock::now() - begin < 5s);
        CHECK(hanging.wait() == ESHUTDOWN);
        CHECK(hanging.calls() == 1);
        file.go_on();
    }
}

TEST_CASE("a file is not opened again before the last request of before has ended")
{
    const TemporaryFolder folder;
    const auto disk = folder / "disk";
    make_file(disk, Bytes(mebibyte));
    const auto spec = spec_of(disk);
    resilience::LastingState state(spec, {}, expected(),
                                   resilience::open_child_parts(spec, {}), "");
    state.start();
    REQUIRE(state.enter(1) != nullptr);
    put_there(disk, Bytes(mebibyte));
    state.turn();
    CHECK(state.link() == Link::down);
    CHECK_THAT(state.link_error(), Contains("is another file now; 1 requests of before"));
    CHECK(state.enter(1) == nullptr);
    state.leave(1);
    state.turn();
    CHECK(state.link() == Link::down);
    state.leave(1);
    state.turn();
    CHECK(state.link() == Link::returned);
    state.stop(1s);
}

TEST_CASE("requests end once each while a file comes and goes")
{
    const TemporaryFolder folder;
    const auto disk = folder / "disk";
    make_file(disk, Bytes(mebibyte));
    const auto device = opened(disk);
    std::atomic<bool> over{false};
    std::atomic<int> good{0};
    resilience::test::Tally tally;
    std::vector<std::thread> users;
    for (int i = 0; i < 2; ++i) {
        users.emplace_back([&] {
            Bytes block(4096);
            while (!over) {
                Request now = reading(0, block);
                const auto result = device->execute_now(now);
                good += result == 0;
                const auto request = resilience::test::make_request(Op::read, 0, 4096);
                device->submit(request, tally.completion());
                std::this_thread::sleep_for(1ms);
            }
        });
    }
    for (int i = 0; i < 2; ++i) {
        put_there(disk, Bytes(mebibyte));
        CHECK(becomes(*device, Link::returned));
        device->resume();
        const int before = good;
        CHECK(eventually([&] { return good > before; }));
    }
    over = true;
    for (auto& user : users) {
        user.join();
    }
    CHECK(tally.all_ended());
    CHECK(tally.twice == 0);
    device->stop(2s);
}
