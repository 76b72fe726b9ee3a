// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>

#include <atomic>
#include <new>
#include <thread>

#include "tests/unit/logwrites_test.h"

using namespace logwrites_test;

TEST_CASE("a log write that fails ends the log before that entry, for good")
{
    Recording r;
    REQUIRE(r.write(0, 4096) == 0);
    REQUIRE(r.flush() == 0);
    // The next entry is cut in its body.
    r.storage.fail_from(r.writer->status().bytes + 1024, EIO);
    CHECK(r.write(4096, 4096) == EIO);
    CHECK(r.device->count(Op::write) == 2);
    CHECK(r.ended.size() == 1);

    r.storage.fail_from(~0ULL, 0);
    CHECK(r.write(8192, 512) == EIO);
    CHECK(r.simple(Op::zero, 0, 512) == EIO);
    CHECK(r.flush() == EIO);
    CHECK(r.recorder->mark("late", 0, "test") == EIO);
    // Nothing of all this has reached the device.
    CHECK(r.device->count(Op::write) == 2);
    CHECK(r.device->count(Op::zero) == 0);
    CHECK(r.device->count(Op::flush) == 1);
    CHECK(r.ended.size() == 1);
    CHECK(r.writer->status().state == State::failed);
    CHECK(r.writer->status().reason.find("entry 3") != std::string::npos);
    r.writer->end();
    CHECK(text_of(r.storage) == "start W0+8 F");
}

TEST_CASE("with full=stop a log write that fails stops the recording, not the device")
{
    Options options;
    options.full = WhenFull::stop;
    Recording r(1 << 20, options);
    REQUIRE(r.write(0, 4096) == 0);
    r.storage.fail_from(r.writer->status().bytes + 1024, EIO);
    CHECK(r.write(4096, 4096) == 0);
    r.storage.fail_from(~0ULL, 0);
    CHECK(r.write(8192, 512) == 0);
    CHECK(r.flush() == 0);
    CHECK(r.recorder->mark("late", 0, "test") == EPIPE);
    CHECK(r.ended.size() == 1);
    r.writer->end();
    CHECK(text_of(r.storage) == "start W0+8");
}

TEST_CASE("whatever byte the log fails at, what is counted is readable and was done in order")
{
    std::uint64_t whole = 0;
    {
        Recording r;
        for (std::uint64_t i = 0; i < 4; i++) {
            REQUIRE(r.write(i * 1000, 700) == 0);
            REQUIRE(r.flush() == 0);
        }
        whole = r.storage.size();
    }
    const std::string all = "start W0+2 F W1+3 F W3+3 F W5+3 F";
    for (std::uint64_t byte = 1025; byte <= whole; byte += 97) {
        Recording r;
        r.storage.fail_from(byte, ENOSPC);
        std::uint64_t acknowledged = 0;
        for (std::uint64_t i = 0; i < 4; i++) {
            if (r.write(i * 1000, 700) != 0 || r.flush() != 0) {
                break;
            }
            acknowledged++;
        }
        const std::string text = text_of(r.storage);
        CAPTURE(byte, text);
        // An unfinished flush is a mark; it does not count.
        const std::string done = text.substr(0, text.find(" flush-pending"));
        CHECK(all.starts_with(done));
        CHECK(static_cast<std::uint64_t>(std::count(done.begin(), done.end(), 'F')) >=
              acknowledged);
    }
}

TEST_CASE("entries, superblock, sync, answer: the order of what is promised")
{
    Recording r;
    const int begun = r.storage.syncs();
    std::string order;  // E or S is written, after so many syncs
    r.storage.before_write = [&](std::uint64_t position) {
        order += (position == 0 ? 'S' : 'E') + std::to_string(r.storage.syncs() - begun) + ' ';
        return 0;
    };
    CHECK(r.write(0, 4096, true) == 0);
    CHECK(r.storage.syncs() == begun + 1);
    CHECK(r.write(8192, 512) == 0);
    // A flush is a mark until the device has done it.
    CHECK(r.flush() == 0);
    CHECK(r.storage.syncs() == begun + 2);
    CHECK(order == "E0 S0 E1 E1 E1 S1 ");
    CHECK(text_of(r.storage) == "start W0+8! W16+1 F");
}

TEST_CASE("a superblock that is out of time ends the log at the entry where it was tried")
{
    Recording r;
    REQUIRE(r.write(8192, 512) == 0);
    r.storage.before_write = [&](std::uint64_t position) {
        if (position != 0) {
            return 0;
        }
        // Another entry is complete by the time that this one fails.
        CHECK(r.write(16384, 512) == 0);
        return ETIMEDOUT;
    };
    CHECK(r.write(0, 4096, true) == EIO);
    CHECK(r.writer->status().reason.find("at entry 3") != std::string::npos);
}

TEST_CASE("memory that runs out while an entry is written is an error of the log like others")
{
    Recording r;
    r.storage.before_write = [](std::uint64_t position) -> int {
        if (position != 0) {
            throw std::bad_alloc();
        }
        return 0;
    };
    CHECK(r.write(0, 4096) == EIO);
    CHECK(r.writer->status().state == State::failed);
    CHECK(r.write(8192, 512) == EIO);
    r.writer->end();
    CHECK(text_of(r.storage) == "start");
}

TEST_CASE("no room: the device is not touched, and there is room again later")
{
    Recording r(1 << 20, {}, 0, 16384);
    int error = 0;
    int done = 0;
    for (; done < 20 && error == 0; done++) {
        error = r.write(0, 4096);
    }
    CHECK(error == ENOSPC);
    CHECK(r.device->count(Op::write) == done - 1);
    CHECK(r.writer->status().state == State::recording);
    CHECK(r.simple(Op::zero, 0, 512 << 10) == 0);  // holes fit
    r.storage.set_room(~0ULL);
    CHECK(r.write(0, 4096) == 0);
    CHECK(r.writer->end() == 0);
    CHECK(text_of(r.storage).ends_with("W0+8 end"));
}

TEST_CASE("a sector is kept back for the mark that says how the recording ended")
{
    const bool stop = GENERATE(false, true);
    Options options;
    options.full = stop ? WhenFull::stop : WhenFull::error;
    Recording r(1 << 20, options, 512 * 8);  // super, start, five, last
    int errors = 0;
    for (int i = 0; i < 6; i++) {
        errors += r.simple(Op::trim, 0, 4096) != 0 ? 1 : 0;
    }
    CHECK(errors == (stop ? 0 : 1));
    CHECK(r.writer->end() == 0);
    CHECK(text_of(r.storage) == "start D0+8 D0+8 D0+8 D0+8 D0+8 " +
                                    std::string(stop ? "stopped" : "end"));
    CHECK(r.ended.size() == (stop ? 1U : 0U));
}

TEST_CASE("without reservation a full disk is found out too late, and that is the end")
{
    Recording r;
    r.storage.set_room(0, false);
    REQUIRE(r.write(0, 4096) == 0);
    r.storage.fail_from(r.writer->status().bytes, ENOSPC);
    CHECK(r.write(0, 4096) == EIO);
    CHECK(r.writer->status().state == State::failed);
}

TEST_CASE("after the end changes are refused and not carried out")
{
    Recording r;
    REQUIRE(r.writer->end() == 0);
    CHECK(r.writer->end() == 0);
    CHECK(r.write(0, 512) == ESHUTDOWN);
    CHECK(r.flush() == ESHUTDOWN);
    CHECK(r.device->count(Op::write) == 0);
    CHECK(text_of(r.storage) == "start end");
}

TEST_CASE("many writers: the superblock never counts what is not there")
{
    Options options;
    options.super_update_interval = 1;
    Recording r(1 << 20, options);
    std::atomic<bool> running{true};
    std::vector<std::thread> writers;
    for (std::uint64_t t = 0; t < 4; t++) {
        writers.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < 200; i++) {
                r.write((t * 64 + i % 64) * 1024, 700, i % 7 == 0, 1 + static_cast<unsigned>(i));
            }
        });
    }
    std::thread reader([&] {
        while (running) {
            for (const auto& entry : entries_of(r.storage)) {
                REQUIRE((entry.is_mark() || entry.sectors != 0));
                REQUIRE(entry.extension);
            }
        }
    });
    for (auto& each : writers) {
        each.join();
    }
    running = false;
    reader.join();
    REQUIRE(r.writer->end() == 0);
    CHECK(entries_of(r.storage).size() == 802);
}
