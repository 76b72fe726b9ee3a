// SPDX-License-Identifier: BSD-3-Clause

// Servers started from a `[ COMMAND ]`, alone and as devices.

#include <catch2/catch.hpp>

#include <cerrno>
#include <fstream>

#include "common/nbd/server_process.h"
#include "tests/unit/nbd_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

TimePoint in(milliseconds limit)
{
    return real_clock().now() + limit;
}

bool gone(pid_t pid)
{
    return ::kill(pid, 0) == -1 && errno == ESRCH;
}

pid_t server_of(const std::shared_ptr<Device>& device)
{
    return std::dynamic_pointer_cast<NbdDevice>(device)->server_pid();
}

}  // namespace

TEST_CASE("[ nbdkit ] serves, and is gone after stop")
{
    const auto device = started(command_spec("nbdkit memory 4M"));
    REQUIRE(device->link() == Link::up);
    CHECK(device->size() == 4 * mebibyte);
    CHECK(run(*device, Op::write, 0, 65536, std::byte{4}) == 0);
    CHECK(content(*device, 0, 65536) == "4");
    const pid_t pid = server_of(device);
    REQUIRE(pid > 0);
    device->stop(milliseconds(3000));
    CHECK(gone(pid));
}

TEST_CASE("[ qemu-nbd ] serves a qcow2 image named relative to the command's directory")
{
    const TemporaryFolder dir;
    const std::string make = "qemu-img create -q -f qcow2 '" + (dir / "c.qcow2") + "' 16M";
    REQUIRE(std::system(make.c_str()) == 0);
    {
        const auto device = started(command_spec("qemu-nbd -f qcow2 c.qcow2", dir.path()),
                                    quick(milliseconds(20000)));
        REQUIRE(device->link() == Link::up);
        CHECK(device->block_limits().maximum == 32 * mebibyte);
        CHECK(run(*device, Op::write, 0, 65536, std::byte{6}, {.fua = true}) == 0);
        CHECK(run(*device, Op::zero, 65536, 8 * mebibyte, {}, {.may_trim = true}) == 0);
        CHECK(run(*device, Op::cache, 0, 16 * mebibyte) == 0);
        CHECK(run(*device, Op::trim, 4 * mebibyte, mebibyte) == 0);
        const auto extents = make_request(Op::extents, 0, 16 * mebibyte);
        REQUIRE(device->execute(*extents) == 0);
        CHECK(extents->extents.size() == 2);
        device->stop(milliseconds(5000));
    }
    // The lock of the first server is gone.
    const auto again = started(command_spec("qemu-nbd -f qcow2 c.qcow2", dir.path()),
                               quick(milliseconds(20000)));
    CHECK(content(*again, 0, 65536) == "6");
}

TEST_CASE("a command that ends at once is reported with its status")
{
    const auto text = open_error(command_spec("sh -c 'exit 7'"));
    CHECK_THAT(text, Catch::Contains("exited with status 7"));
    CHECK_THAT(text, Catch::Contains("sh -c 'exit 7'"));
    CHECK_THAT(text, Catch::Contains("socket activation"));
}

TEST_CASE("a command that does not exist is reported")
{
    CHECK_THAT(open_error(command_spec("no-such-nbd-server -x")),
               Catch::Contains("command not found") && Catch::Contains("no-such-nbd-server"));
    CHECK_THAT(open_error(command_spec("nbdkit null", "/nonexistent")),
               Catch::Contains("status 126"));
}

TEST_CASE("a command that never answers is ended")
{
    const TemporaryFolder dir;
    const auto begin = real_clock().now();
    const auto text = open_error(
        command_spec("sh -c 'echo $$ > " + (dir / "pid") +
                     "; trap \"\" TERM; while :; do sleep 1; done'"),
        quick(milliseconds(500)));
    CHECK_THAT(text, Catch::Contains("did not answer within 0.5 s"));
    CHECK(real_clock().now() - begin < milliseconds(8000));
    pid_t pid = 0;
    std::ifstream(dir / "pid") >> pid;
    REQUIRE(pid > 0);
    CHECK(gone(pid));
}

TEST_CASE("quotes and arguments of a command reach the server")
{
    const auto device = started(
        command_spec("nbdkit --filter=blocksize data '@0x200 1 2' size=1M"));
    CHECK(content(*device, 0, 512) == "0");
    CHECK(content(*device, 512, 1) == "1");
    CHECK(content(*device, 513, 1) == "2");
}

TEST_CASE("a stopped server is ended all the same")
{
    auto started = ServerProcess::start("nbdkit memory 1M", "/tmp");
    const pid_t pid = started.process.pid();
    freeze(pid);
    const auto begin = real_clock().now();
    started.process.terminate(milliseconds(1000));
    CHECK(real_clock().now() - begin < milliseconds(3000));
    CHECK(gone(pid));
    CHECK(started.process.pid() == 0);
}

TEST_CASE("what a wrapper script has started ends with it")
{
    const TemporaryFolder dir;
    auto started =
        ServerProcess::start("sh -c 'sleep 600 & echo $! > p; mv p pid; wait'", dir.path());
    REQUIRE(eventually([&] { return std::filesystem::exists(dir / "pid"); }));
    pid_t helper = 0;
    std::ifstream(dir / "pid") >> helper;
    REQUIRE(helper > 0);
    started.process.terminate(milliseconds(1000));
    CHECK(eventually([&] {
        std::string state = "gone";  // an orphan that nobody reaps stays a zombie
        std::ifstream stat("/proc/" + std::to_string(helper) + "/stat");
        std::string pid, name;
        stat >> pid >> name >> state;
        return state == "gone" || state == "Z" || state == "X";
    }));
}

TEST_CASE("the server gets no descriptor of ours, a clean signal mask and its socket")
{
    const TemporaryFolder dir;
    const int leak = ::dup(2);
    sigset_t usr1, before;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    auto started = ServerProcess::start(
        "sh -c 'ls /proc/self/fd > fds; grep SigBlk /proc/self/status > mask; "
        "echo $LISTEN_FDS $LISTEN_PID $$ > e; mv e env'",
        dir.path());
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(leak);
    REQUIRE(started.process.wait_exit(in(milliseconds(10000))));
    CHECK(started.process.exit_text() == "exited with status 0");
    std::ifstream fds(dir / "fds");
    int fd = 0, highest = 0;
    while (fds >> fd) {
        highest = std::max(highest, fd);
    }
    CHECK(highest <= 4);  // 4 is that of ls itself
    std::string word, mask;
    std::ifstream(dir / "mask") >> word >> mask;
    CHECK(mask == "0000000000000000");
    std::string count, listen_pid, pid;
    std::ifstream(dir / "env") >> count >> listen_pid >> pid;
    CHECK(count == "1");
    CHECK(listen_pid == pid);
}

TEST_CASE("a server that is killed is started again, and returns")
{
    const TemporaryFolder dir;
    { std::ofstream(dir / "disk") << std::string(mebibyte, 'a'); }
    const auto device = started(command_spec("nbdkit file disk", dir.path()));
    const pid_t first = server_of(device);
    REQUIRE(first > 0);
    ::kill(first, SIGKILL);
    REQUIRE(eventually([&] { return device->link() == Link::returned; }));
    CHECK(server_of(device) != first);
    CHECK(run(*device, Op::read, 0, 512) == ENOTCONN);
    device->resume();
    CHECK(device->link() == Link::up);
    CHECK(content(*device, 0, 512) == std::to_string('a'));
}

TEST_CASE("stop ends a stopped server within its limit")
{
    const auto device = started(command_spec("nbdkit memory 1M"));
    const pid_t pid = server_of(device);
    freeze(pid);
    Tally tally;
    device->submit(make_request(Op::read, 0, 512), tally.completion());
    const auto begin = real_clock().now();
    device->stop(milliseconds(1000));
    CHECK(real_clock().now() - begin < milliseconds(2500));
    CHECK(tally.all_ended(milliseconds(0)));
    CHECK(tally.last_error == ENOTCONN);
    CHECK(eventually([&] { return gone(pid); }));
}
