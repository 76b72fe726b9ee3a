// SPDX-License-Identifier: BSD-3-Clause

// NbdDevice against real servers that die, freeze and come back different.
//
// nbdkit 1.32 can abort when a client hangs up while replies are queued.  That
// is no fault here: each test starts servers of its own.

#include <catch2/catch.hpp>

#include <array>
#include <cerrno>
#include <fstream>
#include <optional>

#include "common/nbd/nbd_state.h"
#include "common/thread/clock.h"
#include "tests/unit/nbd_test.h"

using namespace resilience;
using namespace resilience::test;

namespace {

bool is_link(const std::shared_ptr<Device>& device, Link link)
{
    return eventually([&] { return device->link() == link; });
}

/// A server on a socket, restarted at will with a disk of any size.
class Restartable {
public:
    explicit Restartable(const std::string& size) { start(size); }
    void start(const std::string& size)
    {
        server_.reset();
        server_.emplace(dir_ / "s", std::vector<std::string>{"memory", size});
    }
    Program& program() { return server_->program(); }
    std::string uri() const { return server_->uri(); }

private:
    TemporaryFolder dir_;
    std::optional<Nbdkit> server_;
};

}  // namespace

TEST_CASE("the state machine lets nothing but the first attempt lead to up")
{
    using S = NbdState;
    using E = NbdEvent;
    CHECK(next_state(S::idle, E::start) == S::connecting);
    CHECK(next_state(S::connecting, E::connected) == S::up);
    CHECK(next_state(S::connecting, E::reconnected) == S::returned);
    CHECK(next_state(S::returned, E::resume) == S::up);
    CHECK(next_state(S::up, E::lost) == S::backoff);
    CHECK(next_state(S::returned, E::lost) == S::backoff);
    CHECK_FALSE(next_state(S::backoff, E::resume));
    CHECK_FALSE(next_state(S::connecting, E::resume));
    for (const auto state : {S::idle, S::connecting, S::up, S::returned, S::backoff}) {
        CHECK(next_state(state, E::stop) == S::stopped);
        CHECK(to_string(state) != "unknown");
    }
    for (const auto event : {E::start, E::connected, E::reconnected, E::failed, E::lost,
                             E::retry, E::resume, E::stop}) {
        CHECK_FALSE(next_state(S::stopped, event));
        CHECK(to_string(event) != "unknown");
    }
}

TEST_CASE("a killed server ends what is in flight with ENOTCONN, each once")
{
    Restartable server("64M");
    const auto device = started(uri_spec(server.uri()));
    server.program().stop();
    Tally tally;
    for (int i = 0; i < 50; ++i) {
        device->submit(make_request(i % 2 ? Op::read : Op::write, i * 65536, 65536),
                       tally.completion());
    }
    CHECK(tally.ended == 0);
    server.program().kill();
    REQUIRE(tally.all_ended());
    CHECK(tally.bad == 50);
    CHECK(tally.last_error == ENOTCONN);
    CHECK(tally.twice == 0);
    CHECK(is_link(device, Link::down));
    CHECK_FALSE(device->link_error().empty());
    CHECK(run(*device, Op::flush, 0, 0) == ENOTCONN);
    device->resume();  // means nothing now
    CHECK(device->link() == Link::down);
}

TEST_CASE("a restarted server is returned, and serves only after resume")
{
    Restartable server("1M");
    const auto device = started(uri_spec(server.uri()));
    CHECK(run(*device, Op::write, 0, 512, std::byte{1}) == 0);
    server.program().kill();
    REQUIRE(is_link(device, Link::down));
    server.start("1M");
    REQUIRE(is_link(device, Link::returned));
    CHECK_FALSE(device->link_error().empty());
    CHECK(run(*device, Op::read, 0, 512) == ENOTCONN);
    device->resume();
    CHECK(device->link() == Link::up);
    CHECK(device->link_error().empty());
    CHECK(content(*device, 0, 512) == "0");  // it has forgotten
    // And once more.
    server.program().kill();
    REQUIRE(is_link(device, Link::down));
    server.start("1M");
    REQUIRE(is_link(device, Link::returned));
}

TEST_CASE("a server that comes back with another size is not accepted")
{
    Restartable server("1M");
    const auto device = started(uri_spec(server.uri()));
    server.program().kill();
    REQUIRE(is_link(device, Link::down));
    server.start("2M");
    REQUIRE(eventually([&] {
        const auto text = device->link_error();
        return text.find("1048576") != std::string::npos &&
               text.find("2097152") != std::string::npos;
    }));
    CHECK(device->link() == Link::down);
    server.start("1M");
    CHECK(is_link(device, Link::returned));
}

TEST_CASE("opening a stopped server gives up at the deadline")
{
    Restartable server("1M");
    server.program().stop();
    const auto begin = real_clock().now();
    CHECK_THAT(open_error(uri_spec(server.uri()), quick(milliseconds(300))),
               Catch::Contains("did not answer within 0.3 s"));
    CHECK(real_clock().now() - begin < milliseconds(3000));
}

TEST_CASE("start uses the connection over which the device was opened")
{
    Restartable server("1M");
    const auto device = open_nbd_child(uri_spec(server.uri()), quick());
    server.program().stop();  // nobody answers a new one
    device->start();
    CHECK(device->link() == Link::up);
    server.program().go_on();
    CHECK(run(*device, Op::read, 0, 512) == 0);
}

TEST_CASE("start with a stopped server is down, and later returned")
{
    Restartable server("1M");
    const auto device = open_nbd_child(uri_spec(server.uri()), quick(milliseconds(300)));
    server.start("1M");  // the connection over which it was opened is gone
    server.program().stop();
    const auto begin = real_clock().now();
    device->start();
    CHECK(real_clock().now() - begin < milliseconds(3000));
    CHECK(device->link() == Link::down);
    server.program().go_on();
    CHECK(is_link(device, Link::returned));
}

TEST_CASE("a frozen server keeps its requests, its connection and their order")
{
    Restartable server("1M");
    const auto device = started(uri_spec(server.uri()), quick(milliseconds(200)));
    server.program().stop();
    Tally tally;
    for (int i = 1; i <= 5; ++i) {
        device->submit(make_request(Op::write, i * 4096, 4096, std::byte{9}), tally.completion());
    }
    // Far longer than the timeout: a late reply is not the end of a connection.
    CHECK_FALSE(tally.all_ended(milliseconds(1000)));
    CHECK(device->link() == Link::up);
    server.program().go_on();
    REQUIRE(tally.all_ended());
    CHECK(tally.good == 5);
    CHECK(content(*device, 4096, 5 * 4096) == "9");
}

TEST_CASE("submit never blocks, however much a frozen server does not take")
{
    const TemporaryFolder dir;
    const std::string port = std::to_string(free_port());
    const bool tcp = GENERATE(false, true);
    Nbdkit server = tcp ? Nbdkit(dir / "pid", {"-i", "127.0.0.1", "-p", port},
                                 {"memory", "64M"})
                        : Nbdkit(dir / "s", {"memory", "64M"});
    const auto device = started(uri_spec(tcp ? "nbd://127.0.0.1:" + port : server.uri()));
    server.program().stop();
    Tally tally;
    Duration longest{};
    for (int i = 0; i < 64; ++i) {
        const auto request = make_request(Op::write, i * mebibyte, mebibyte, std::byte{2});
        const auto begin = real_clock().now();
        device->submit(request, tally.completion());
        longest = std::max(longest, real_clock().now() - begin);
    }
    CHECK(longest < milliseconds(1000));
    CHECK(tally.ended == 0);
    server.program().go_on();
    REQUIRE(tally.all_ended());
    CHECK(tally.good == 64);
    CHECK(content(*device, 0, 32 * mebibyte) == "2");
}

TEST_CASE("stop ends what a frozen server has, within the limit")
{
    Restartable server("64M");
    const auto device = started(uri_spec(server.uri()));
    server.program().stop();
    Tally tally;
    for (int i = 0; i < 40; ++i) {
        device->submit(make_request(Op::write, i * mebibyte, mebibyte), tally.completion());
    }
    std::atomic<int> waited{-1};
    std::thread waiter([&] { waited = run(*device, Op::read, 0, 512); });
    const auto begin = real_clock().now();
    device->stop(milliseconds(1000));
    CHECK(real_clock().now() - begin < milliseconds(2500));
    CHECK(tally.all_ended(milliseconds(100)));
    waiter.join();
    CHECK((waited == ENOTCONN || waited == ESHUTDOWN));
    CHECK(tally.bad == 40);
    CHECK(tally.twice == 0);
    CHECK(run(*device, Op::read, 0, 512) == ESHUTDOWN);
    device->stop(milliseconds(1000));  // twice is fine
}

TEST_CASE("stop in every state returns in time")
{
    Restartable server("1M");
    {
        const auto idle = open_nbd_child(uri_spec(server.uri()), quick());
        idle->stop(milliseconds(500));
        CHECK(run(*idle, Op::read, 0, 512) == ESHUTDOWN);
    }
    const auto connecting = started(uri_spec(server.uri()), quick(milliseconds(60000)));
    const auto backoff = started(uri_spec(server.uri()));
    server.program().kill();
    REQUIRE(is_link(backoff, Link::down));
    REQUIRE(is_link(connecting, Link::down));
    auto begin = real_clock().now();
    backoff->stop(milliseconds(1000));
    CHECK(real_clock().now() - begin < milliseconds(900));
    server.start("1M");
    server.program().stop();
    // Whether it is by now in back-off or in the middle of a handshake:
    begin = real_clock().now();
    connecting->stop(milliseconds(1000));
    CHECK(real_clock().now() - begin < milliseconds(900));
}

TEST_CASE("a device may be let go in its own completion")
{
    Restartable server("1M");
    auto device = started(uri_spec(server.uri()));
    std::weak_ptr<Device> watch = device;
    server.program().stop();
    device->submit(make_request(Op::read, 0, 512),
                   [held = device](int) mutable { held.reset(); });
    device.reset();
    CHECK_FALSE(watch.expired());
    server.program().go_on();
    CHECK(eventually([&] { return watch.expired(); }));
}

TEST_CASE("one device's dead server does not delay another device")
{
    Restartable good("1M");
    Restartable bad("1M");
    const auto healthy = started(uri_spec(good.uri()));
    const auto sick = started(uri_spec(bad.uri()));
    bad.program().stop();
    Tally tally;
    sick->submit(make_request(Op::read, 0, 512), tally.completion());
    const auto begin = real_clock().now();
    for (int i = 0; i < 100; ++i) {
        REQUIRE(run(*healthy, Op::write, 0, 512) == 0);
    }
    CHECK(real_clock().now() - begin < milliseconds(5000));
    CHECK(tally.ended == 0);
    bad.program().kill();
    CHECK(tally.all_ended());
}

TEST_CASE("every request ends exactly once while its server is killed again and again")
{
    const TemporaryFolder dir;
    { std::ofstream(dir / "disk") << std::string(4 * mebibyte, 'a'); }
    const std::vector<std::string> words{"file", dir / "disk"};
    std::optional<Nbdkit> server(std::in_place, dir / "s", words);
    const auto device = started(uri_spec(server->uri()));
    Tally tally;
    std::atomic<bool> stopping{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (unsigned i = 0; !stopping; ++i) {
                const std::uint64_t at = (i * 7 + t) % 60 * 65536;
                const Op op = std::array{Op::read, Op::write, Op::zero, Op::extents}[i % 4];
                device->submit(make_request(op, at, 65536, std::byte{1}), tally.completion());
                if (tally.submitted - tally.ended > 64) {
                    ::poll(nullptr, 0, 1);
                }
            }
        });
    }
    for (int round = 0; round < 6; ++round) {
        const int good = tally.good;
        CHECK(eventually([&] { return tally.good > good + 50; }));
        server->program().kill();
        CHECK(eventually([&] { return device->link() != Link::up; }));
        server.reset();
        server.emplace(dir / "s", words);
        CHECK(is_link(device, Link::returned));
        device->resume();
    }
    stopping = true;
    for (auto& thread : threads) {
        thread.join();
    }
    device->stop(milliseconds(2000));
    CHECK(tally.all_ended());
    CHECK(tally.twice == 0);
    CHECK(tally.good > 300);
    CHECK(tally.bad > 0);
}
