// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>

#include "tests/unit/logwrites_test.h"

using namespace logwrites_test;

namespace {

/// Does `action` while the device is at work on the first request of `op`.
void during(Recording& r, Op op, std::function<void()> action)
{
    r.device->on_request([done = std::make_shared<bool>(false), op, action](const Request& q) {
        if (q.op == op && !*done) {
            *done = true;
            action();
        }
    });
}

}  // namespace

TEST_CASE("what completes while a flush runs stands behind it")
{
    Recording r;
    REQUIRE(r.write(0, 512) == 0);
    during(r, Op::flush, [&] { CHECK(r.write(4096, 512) == 0); });
    REQUIRE(r.flush() == 0);
    REQUIRE(r.flush() == 0);
    CHECK(text_of(r.storage) == "start W0+1 F W8+1 F");
    const auto entries = entries_of(r.storage);
    CHECK(entries[1].extension->completed < entries[2].extension->issued);
    CHECK(entries[3].extension->issued > entries[2].extension->issued);
    CHECK(entries[2].extension->completed > entries[3].extension->completed);
}

TEST_CASE("a flush that is not answered yet is a mark")
{
    Recording r;
    during(r, Op::flush, [&] { CHECK(r.recorder->mark("now", 0, "test") == 0); });
    std::string then;
    r.device->on_request([&](const Request& request) {
        if (request.op == Op::flush && then.empty()) {
            then = "-";
            CHECK(r.recorder->mark("now", 0, "test") == 0);
            then = text_of(r.storage);
        }
    });
    REQUIRE(r.flush() == 0);
    CHECK(then == "start flush-pending M:now");
    CHECK(text_of(r.storage) == "start F M:now");
}

TEST_CASE("a flush that fails on the device is a mark, and so is the next one")
{
    Recording r;
    r.device->fail(Op::flush, EIO, 2);
    CHECK(r.flush() == EIO);
    CHECK(r.flush() == EIO);
    CHECK(r.flush() == 0);
    CHECK(text_of(r.storage) == "start flush-failed flush-failed F");
}

TEST_CASE("writes are logged in the order of completion")
{
    Recording r;
    during(r, Op::write, [&] { CHECK(r.write(4096, 512) == 0); });
    REQUIRE(r.write(0, 512) == 0);
    REQUIRE(r.recorder->mark("here", 0, "test") == 0);
    CHECK(text_of(r.storage) == "start W8+1 W0+1 M:here");
    const auto entries = entries_of(r.storage);
    CHECK(entries[2].extension->issued < entries[1].extension->issued);
}

TEST_CASE("what failed on the device is not logged, and what cannot be padded not tried")
{
    Options options;
    options.sector_size = 4096;
    Recording r(1 << 20, options);
    r.device->fail(Op::write, EIO);
    CHECK(r.write(0, 4096) == EIO);
    r.device->fail(Op::zero, ENOSPC);
    CHECK(r.simple(Op::trim, 0, 4096) == ENOSPC);
    r.device->fail(Op::read, EIO);
    CHECK(r.write(100, 50) == EIO);
    CHECK(r.device->count(Op::write) == 1);
    CHECK(r.write(100, 50) == 0);
    REQUIRE(r.flush() == 0);
    CHECK(text_of(r.storage) == "start W0+1 F");
}

TEST_CASE("trims go to the device as zeroes that may unmap, and only if it has them")
{
    Recording r;
    r.device->fill({0, 1 << 20}, std::byte{0x5a});
    REQUIRE(r.simple(Op::trim, 100, 5000) == 0);
    CHECK(r.device->count(Op::trim) == 0);
    CHECK(r.device->count(Op::zero) == 1);
    REQUIRE(r.flush() == 0);
    CHECK(text_of(r.storage) == "start W0+1 D1+8 W9+1 F");
    CHECK(r.recorder->capabilities().trim);
    r.device->traits().zero = false;
    CHECK_FALSE(r.recorder->capabilities().trim);
}

TEST_CASE("a fast zero that cannot be fast is not logged")
{
    Recording r;
    r.device->traits().fast_zero = false;
    Request request = device_test::simple(Op::zero, 0, 4096, {.fast_zero = true});
    CHECK(r.recorder->execute(request, 1) == ENOTSUP);
    r.writer->end();
    CHECK(text_of(r.storage) == "start end");
}

TEST_CASE("requests without length and beyond the end")
{
    Recording r;
    CHECK(r.simple(Op::zero, 0, 0) == 0);
    CHECK(r.simple(Op::zero, 1 << 20, 512) == ENOSPC);
    CHECK(r.simple(Op::trim, (1 << 20) - 512, 1024) == EINVAL);
    CHECK(r.simple(Op::zero, ~0ULL - 100, 512) == ENOSPC);
    r.writer->end();
    CHECK(text_of(r.storage) == "start end");
}

TEST_CASE("hashes of padded bodies are those of whole sectors")
{
    Options options;
    options.sector_size = 4096;
    Recording r(1 << 20, options);
    r.device->fill({0, 1 << 20}, std::byte{0x5a});
    REQUIRE(r.write(4000, 200, true) == 0);
    const Bytes log = r.storage.bytes();
    const auto entries = entries_of(r.storage);
    REQUIRE(entries.size() == 2);
    const auto body = std::span(log).subspan(4096 * 3, 8192);
    CHECK(entries[1].extension->body_hash == writelog::hash_body(body));
    CHECK(body[3999] == std::byte{0x5a});
    CHECK(body[4000] == device_test::pattern(200, 1)[0]);
    CHECK(body[4200] == std::byte{0x5a});
}

TEST_CASE("names of marks")
{
    CHECK_FALSE(refuse_mark("a"));
    CHECK_FALSE(refuse_mark(std::string(479, 'x')));
    CHECK(refuse_mark(std::string(480, 'x')));
    CHECK(refuse_mark(""));
    CHECK(refuse_mark("a\nb"));
    CHECK(refuse_mark("a\x7f"));
    CHECK(refuse_mark(std::string("a\0b", 3)));
    CHECK(refuse_mark("logwrites-end"));
}

TEST_CASE("what is in the mailbox")
{
    const auto read = [](const std::string& text) {
        std::string sector = text;
        sector.resize(mailbox_size, '\0');
        const auto name = read_mailbox(std::as_bytes(std::span(sector)));
        return name ? std::string(*name) : std::string("-");
    };
    CHECK(read("logwrites-mark:here\n") == "here");
    CHECK(read("logwrites-mark:here\nmore\n") == "here");
    CHECK(read("logwrites-mark:\n").empty());
    CHECK(read("logwrites-mark:here") == "-");
    CHECK(read("logwrites-mark") == "-");
    CHECK(read(" logwrites-mark:here\n") == "-");
    CHECK(read("logwrites-mark:" + std::string(497, 'x')) == "-");
    CHECK(read("logwrites-mark:" + std::string(496, 'x') + "\n").size() == 496);
}
