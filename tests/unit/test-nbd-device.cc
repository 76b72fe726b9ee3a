// SPDX-License-Identifier: BSD-3-Clause

// NbdDevice against real servers that behave.

#include <catch2/catch.hpp>

#include <cerrno>
#include <fstream>

#include "tests/unit/nbd_test.h"

using namespace resilience;
using namespace resilience::test;

TEST_CASE("reads what was written, zeroed and trimmed")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"memory", "64M"});
    const auto device = started(uri_spec(server.uri()));
    REQUIRE(device->link() == Link::up);
    CHECK(device->link_error().empty());
    CHECK(device->size() == 64 * mebibyte);
    CHECK(device->capabilities().forgets_unflushed);
    CHECK(device->capabilities().zero);

    CHECK(run(*device, Op::write, 0, mebibyte, std::byte{7}) == 0);
    CHECK(content(*device, 0, mebibyte) == "7");
    CHECK(run(*device, Op::write, 4096, 4096, std::byte{8}, {.fua = true}) == 0);
    CHECK(content(*device, 4096, 4096) == "8");
    CHECK(run(*device, Op::zero, 4096, 4096) == 0);
    CHECK(content(*device, 4096, 4096) == "0");
    CHECK(content(*device, 8192, 4096) == "7");
    CHECK(run(*device, Op::trim, 0, mebibyte) == 0);
    CHECK(run(*device, Op::cache, 0, mebibyte) == 0);
    CHECK(run(*device, Op::flush, 0, 0) == 0);
    device->stop(milliseconds(2000));
    CHECK(run(*device, Op::flush, 0, 0) == ESHUTDOWN);
}

TEST_CASE("requests larger than the server's maximum are split")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"--filter=blocksize-policy", "memory", "128M",
                                  "blocksize-minimum=512", "blocksize-preferred=4096",
                                  "blocksize-maximum=1M", "blocksize-error-policy=error"});
    const auto device = started(uri_spec(server.uri()));
    CHECK(device->block_limits().minimum == 512);
    CHECK(device->block_limits().preferred == 4096);
    CHECK(device->block_limits().maximum == mebibyte);
    CHECK(run(*device, Op::write, 512, 70 * mebibyte, std::byte{3}, {.fua = true}) == 0);
    CHECK(content(*device, 512, 70 * mebibyte) == "3");
    CHECK(content(*device, 0, 512) == "0");
}

TEST_CASE("a zero of more than 64 MiB zeroes all of it, on a server that cannot zero")
{
    const TemporaryFolder dir;
    for (const char* mode : {"none", "emulate"}) {
        Nbdkit server(dir / "s", {"--filter=nozero", "memory", "200M",
                                      std::string("zeromode=") + mode});
        const auto device = started(uri_spec(server.uri()));
        CHECK(device->capabilities().zero == (std::string(mode) != "none"));
        for (std::uint64_t at = 0; at < 200 * mebibyte; at += 20 * mebibyte) {
            REQUIRE(run(*device, Op::write, at, 20 * mebibyte, std::byte{9}) == 0);
        }
        CHECK(run(*device, Op::zero, mebibyte, 190 * mebibyte, {}, {.fua = true}) == 0);
        CHECK(content(*device, 0, mebibyte) == "9");
        CHECK(content(*device, mebibyte, 190 * mebibyte) == "0");
        CHECK(content(*device, 191 * mebibyte, mebibyte) == "9");
    }
}

TEST_CASE("a zero of more than 64 MiB zeroes all of it, on a plugin whose zero says EOPNOTSUPP")
{
    // There nbdkit up to 1.44 zeroes the first 64 MiB of a request, and reports success.
    const TemporaryFolder dir;
    const std::string disk = (dir / "disk");
    const std::string dd = "dd status=none iflag=fullblock,count_bytes,skip_bytes ";
    Nbdkit server(dir / "s",
                  {"eval", "get_size=echo 96M", "can_write=exit 0", "can_zero=exit 0",
                   "pread=" + dd + "if=" + disk + " skip=$4 count=$3 bs=1M",
                   "pwrite=" + dd + "of=" + disk +
                       " conv=notrunc oflag=seek_bytes seek=$4 bs=1M",
                   "zero=echo EOPNOTSUPP >&2; exit 1"});
    { std::ofstream(disk) << std::string(96 * mebibyte, 'a'); }
    const auto device = started(uri_spec(server.uri()));
    REQUIRE(device->capabilities().zero);
    CHECK(run(*device, Op::zero, mebibyte, 94 * mebibyte) == 0);
    CHECK(content(*device, 0, mebibyte) == std::to_string('a'));
    CHECK(content(*device, mebibyte, 94 * mebibyte) == "0");
    CHECK(content(*device, 95 * mebibyte, mebibyte) == std::to_string('a'));
}

TEST_CASE("a fast zero on a server without it is ENOTSUP and changes nothing")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"--filter=nozero", "memory", "1M", "fastzeromode=none"});
    const auto device = started(uri_spec(server.uri()));
    CHECK_FALSE(device->capabilities().fast_zero);
    CHECK(run(*device, Op::write, 0, 65536, std::byte{9}) == 0);
    CHECK(run(*device, Op::zero, 0, 65536, {}, {.fast_zero = true}) == ENOTSUP);
    CHECK(content(*device, 0, 65536) == "9");
}

TEST_CASE("a server without native FUA gets a flush after the write")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s",
                  {"--filter=log", "--filter=fua", "memory", "1M",
                   "logfile=" + dir / "log"});
    const auto device = started(uri_spec(server.uri()));
    CHECK_FALSE(device->capabilities().fua);
    CHECK(run(*device, Op::write, 0, 4096, std::byte{1}, {.fua = true}) == 0);
    const std::string log = "grep -q Flush " + (dir / "log");
    CHECK(eventually([&] { return std::system(log.c_str()) == 0; }));
}

TEST_CASE("a large request goes in pieces, and each answer is progress")
{
    const TemporaryFolder dir;
    const std::string log = dir / "log";
    Nbdkit server(dir / "s", {"--filter=log", "--filter=fua", "--filter=delay", "memory", "64M",
                              "logfile=" + log, "delay-write=20ms"});
    const auto device = started(uri_spec(server.uri()));
    const TimePoint before = real_clock().now();
    constexpr std::uint64_t length = 8 * mebibyte + 512;
    CHECK(run(*device, Op::write, 512, length, std::byte{5}, {.fua = true}) == 0);
    CHECK(content(*device, 512, length) == "5");
    CHECK(content(*device, 0, 512) == "0");
    CHECK(content(*device, 512 + length, mebibyte) == "0");
    const Progress progress = device->progress();
    CHECK(progress.asked == 2 * length + 512 + mebibyte);
    CHECK(progress.answered == progress.asked);
    CHECK(progress.at > before);
    const auto logged = [&](const std::string& what, int count) {
        return std::system(("test $(grep -c ' " + what + " id=' " + log + ") = " +
                            std::to_string(count)).c_str()) == 0;
    };
    CHECK(eventually([&] { return logged("Read", 9 + 1 + 1); }));
    CHECK(logged("Write", 9));
    CHECK(logged("Flush", 1));  // for all of them, after them
    CHECK(std::system(("awk '/ Write id=/ {open++} /[.]Write id=/ {open--} "
                       "/ Flush id=/ && open {bad = 1} END {exit bad}' " + log).c_str()) == 0);
}

TEST_CASE("that pieces were cut off is not hidden by the error of another")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"eval", "get_size=echo 64M", "can_write=exit 0",
                              "thread_model=echo parallel", "pread=exit 1",
                              "pwrite=test $4 = 0 && { echo EIO >&2; exit 1; }; sleep 10"});
    const auto device = started(uri_spec(server.uri()));
    Tally tally;
    device->submit(make_request(Op::write, 0, 4 * mebibyte), tally.completion());
    REQUIRE(eventually([&] { return device->progress().answered == mebibyte; }));
    server.program().kill();
    REQUIRE(tally.all_ended());
    CHECK(tally.last_error == ENOTCONN);
}

TEST_CASE("a piece that fails fails the whole, and no more are sent")
{
    const TemporaryFolder dir;
    const std::string log = dir / "log";
    Nbdkit server(dir / "s", {"--filter=log", "--filter=error", "memory", "64M",
                              "error-pread-rate=100%", "logfile=" + log});
    const auto device = started(uri_spec(server.uri()));
    CHECK(run(*device, Op::read, 0, 32 * mebibyte) == EIO);
    const std::string few = "test $(grep -c ' Read id=' " + log + ") -le 4";
    CHECK(std::system(few.c_str()) == 0);
    CHECK(device->progress().answered == device->progress().asked);
    server.program().kill();
    CHECK(run(*device, Op::read, 0, 32 * mebibyte) == ENOTCONN);
    CHECK(device->progress().answered == device->progress().asked);
}

TEST_CASE("extents cover the whole request, are clipped and merged")
{
    const TemporaryFolder dir;
    // 8 GiB: one extent of 4 GiB or more makes nbdkit 1.32 abort if asked badly.
    Nbdkit server(dir / "s", {"memory", "8G"});
    const auto device = started(uri_spec(server.uri()));
    CHECK(run(*device, Op::write, mebibyte, mebibyte, std::byte{1}) == 0);
    const auto request = make_request(Op::extents, 65536, (8ULL << 30) - 65536 - 512);
    REQUIRE(device->execute(*request) == 0);
    const ExtentList expected{
        {.length = mebibyte - 65536, .hole = true, .zero = true},
        {.length = mebibyte},
        {.length = (8ULL << 30) - 2 * mebibyte - 512, .hole = true, .zero = true}};
    CHECK(request->extents == expected);

    const auto one = make_request(Op::extents, 65536, 8 * mebibyte, {}, {.one_extent = true});
    REQUIRE(device->execute(*one) == 0);
    REQUIRE(one->extents.size() == 1);
    CHECK(one->extents[0] == expected[0]);
}

TEST_CASE("without block status everything is data")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"--no-sr", "memory", "1M"});
    const auto device = started(uri_spec(server.uri()));
    CHECK_FALSE(device->capabilities().extents);
    const auto request = make_request(Op::extents, 0, mebibyte);
    REQUIRE(device->execute(*request) == 0);
    CHECK(request->extents == ExtentList{{.length = mebibyte}});
}

TEST_CASE("the server's errors are passed on")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"--filter=error", "memory", "1M", "error=ENOSPC",
                                  "error-pwrite-rate=100%"});
    const auto device = started(uri_spec(server.uri()));
    CHECK(run(*device, Op::write, 0, 4096) == ENOSPC);
    CHECK(run(*device, Op::read, 0, 4096) == 0);
    CHECK(device->link() == Link::up);
    CHECK(run(*device, Op::read, mebibyte, 512) == EINVAL);
    CHECK(run(*device, Op::read, 0, 0) == EINVAL);
}

TEST_CASE("a read-only export can be opened read-only, and only so")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"-r", "memory", "1M"});
    CHECK_THAT(open_error(uri_spec(server.uri())), Catch::Contains("read-only"));
    auto options = quick();
    options.writable = false;
    const auto device = started(uri_spec(server.uri()), options);
    CHECK_FALSE(device->capabilities().writable);
    CHECK(run(*device, Op::write, 0, 512) == EROFS);
    CHECK(run(*device, Op::read, 0, 512) == 0);
}

TEST_CASE("an unreachable port is named")
{
    const int port = free_port();
    const auto text = open_error(uri_spec("nbd://127.0.0.1:" + std::to_string(port) + "/disk%201"));
    CHECK_THAT(text, Catch::Contains("127.0.0.1 port " + std::to_string(port)));
    CHECK_THAT(text, Catch::Contains("export \"disk 1\""));
    CHECK_THAT(text, Catch::Contains("Connection refused"));
    CHECK_THAT(open_error(uri_spec("nbd+unix:///x?socket=/nonexistent/sock")),
               Catch::Contains("socket /nonexistent/sock, export \"x\"") &&
                   Catch::Contains("No such file"));
    CHECK_THAT(open_error(uri_spec("nbd://no-such-host.invalid")),
               Catch::Contains("no-such-host.invalid port 10809"));
}

TEST_CASE("an export that does not exist is named")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"file", "dir=" + dir.path()});
    CHECK_THAT(open_error(uri_spec("nbd+unix:///nothing?socket=" + dir / "s")),
               Catch::Contains("export \"nothing\""));
}

TEST_CASE("over TCP")
{
    const TemporaryFolder dir;
    const std::string port = std::to_string(free_port());
    Nbdkit server(dir / "pid", {"-i", "127.0.0.1", "-p", port}, {"memory", "1M"});
    const auto device = started(uri_spec("nbd://127.0.0.1:" + port));
    CHECK(run(*device, Op::write, 0, 4096, std::byte{5}) == 0);
    CHECK(content(*device, 0, 4096) == "5");
}

TEST_CASE("over TLS with a pre-shared key")
{
    const TemporaryFolder dir;
    const std::string keys = (dir / "keys.psk");
    REQUIRE(std::system(("psktool -u alice -p " + keys + " >/dev/null 2>&1").c_str()) == 0);
    Nbdkit server(dir / "s", {"--tls=require", "--tls-psk=" + keys, "memory", "8M"});
    const auto device = started(uri_spec("nbds+unix://alice@/?socket=" + (dir / "s") +
                                         "&tls-psk-file=" + keys));
    CHECK(run(*device, Op::write, 0, 4 * mebibyte, std::byte{5}) == 0);
    CHECK(content(*device, 0, 4 * mebibyte) == "5");
    CHECK_FALSE(open_error(uri_spec(server.uri())).empty());  // no TLS: refused
}

TEST_CASE("over TLS with certificates, and not with another authority's")
{
    const TemporaryFolder dir;
    std::ofstream(dir / "make")
        << "set -e; cd " << dir.path() << "\n"
        << "for ca in good other; do mkdir $ca\n"
        << "certtool --generate-privkey --key-type ecdsa --outfile $ca/ca-key.pem\n"
        << "printf 'cn=Test\\nca\\ncert_signing_key\\n' > t\n"
        << "certtool --generate-self-signed --load-privkey $ca/ca-key.pem --template t "
           "--outfile $ca/ca-cert.pem\n"
        << "done\n"
        << "certtool --generate-privkey --key-type ecdsa --outfile good/server-key.pem\n"
        << "printf 'cn=localhost\\ndns_name=localhost\\ntls_www_server\\nsigning_key\\n' > t\n"
        << "certtool --generate-certificate --load-ca-certificate good/ca-cert.pem "
           "--load-ca-privkey good/ca-key.pem --load-privkey good/server-key.pem "
           "--template t --outfile good/server-cert.pem\n";
    REQUIRE(std::system(("sh " + (dir / "make") + " >/dev/null 2>&1").c_str()) == 0);
    const std::string port = std::to_string(free_port());
    Nbdkit server(dir / "pid", {"-p", port},
                  {"--tls=require", "--tls-certificates=" + dir / "good", "memory", "1M"});
    const std::string uri = "nbds://localhost:" + port + "/?tls-certificates=";
    {
        const auto device = started(uri_spec(uri + dir / "good"));
        CHECK(run(*device, Op::write, 0, 65536, std::byte{5}) == 0);
        CHECK(content(*device, 0, 65536) == "5");
    }
    CHECK_FALSE(open_error(uri_spec(uri + dir / "other")).empty());
}

TEST_CASE("many threads share the connection")
{
    const TemporaryFolder dir;
    Nbdkit server(dir / "s", {"memory", "64M"});
    const auto device = started(uri_spec(server.uri()));
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i) {
                const auto fill = static_cast<std::byte>(1 + (t * 31 + i) % 250);
                const std::uint64_t at = t * mebibyte + (i % 16) * 65536;
                wrong += run(*device, Op::write, at, 4096, fill) != 0;
                wrong += content(*device, at, 4096) != std::to_string(std::to_integer<int>(fill));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}
