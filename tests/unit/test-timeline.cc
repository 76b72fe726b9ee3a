// SPDX-License-Identifier: BSD-3-Clause
//
// Any point and any state of a random log, served as a device, against a plain
// array of bytes.
#include "common/replay/timeline.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/child/child_spec.h"
#include "common/replay/state_device.h"
#include "tests/unit/device_test.h"
#include "tests/unit/log_builder.h"
#include "tests/unit/seed.h"

using namespace log_test;
using device_test::TemporaryFolder;
using resilience::Device;
using resilience::Op;
using resilience::Request;
using resilience::test::Random;

namespace {

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t sectors = 64;
constexpr std::uint64_t device_size = sectors * sector + 100;  // no multiple of a sector

struct Step {
    std::uint64_t begin = 0, length = 0;  // bytes on the device
    std::uint64_t first_sector = 0;
    Bytes content;  // empty: nothing changes
    bool discard = false;
    bool sure = true;  // cannot be missing at any point after it, as of the last flush
};

/// A random log, and what each of its entries does to a device.
class RandomLog {
public:
    explicit RandomLog(Random& random, int entries)
    {
        builder_.extended();
        for (int i = 0; i < entries; i++) {
            add(random);
        }
    }
    Bytes bytes() const { return builder_.bytes(); }
    const std::vector<Step>& steps() const { return steps_; }

private:
    void add(Random& random)
    {
        const std::uint64_t count = random.between(1, 6);
        const std::uint64_t at = random.between(0, sectors - count);
        const std::uint64_t kind = random.between(0, 9);
        Step step{at * sector, count * sector, at, {}, false, false};
        Bytes body(count * sector);
        std::ranges::generate(body, [&] { return static_cast<std::byte>(random.between(0, 255)); });
        if (kind < 4) {
            builder_.write(at, body, kind == 0 ? std::uint64_t{flag_fua} : 0);
            step.content = body;
            step.sure = kind == 0;
        } else if (kind < 6) {  // unaligned
            const std::uint64_t skip = random.between(0, sector - 1);
            const std::uint64_t length = random.between(1, count * sector - skip);
            builder_.write_part(at, body, at * sector + skip, length);
            step.begin += skip;
            step.length = length;
            step.content.assign(body.begin() + static_cast<std::ptrdiff_t>(skip),
                                body.begin() + static_cast<std::ptrdiff_t>(skip + length));
        } else if (kind == 6) {
            builder_.zero(at, count);
            step.content = Bytes(step.length);
        } else if (kind == 7) {
            builder_.discard(at, count);
            step.content = Bytes(step.length);
            step.discard = true;
        } else {
            kind == 8 ? builder_.flush() : builder_.mark("m" + std::to_string(steps_.size()));
            step = {};
        }
        steps_.push_back(step);
    }

    LogBuilder builder_;
    std::vector<Step> steps_;
};

void apply(Bytes& content, const Step& step, Discard discard, const Tear* tear = nullptr)
{
    if (step.content.empty() || (step.discard && discard == Discard::keep)) {
        return;
    }
    for (std::uint64_t i = 0; i < step.length; i++) {
        const std::uint64_t place = step.begin + i;
        const std::uint64_t which = place / sector - step.first_sector;
        if (tear == nullptr || std::ranges::binary_search(tear->sectors, which)) {
            content[place] = step.content[i];
        }
    }
}

Bytes expected(const Bytes& base, const RandomLog& log, const State& state, Discard discard)
{
    Bytes content = base;
    for (std::uint64_t entry = 0; entry < state.entries; entry++) {
        const auto tear = std::ranges::find(state.torn, entry, &Tear::entry);
        if (!std::ranges::binary_search(state.dropped, entry)) {
            apply(content, log.steps()[entry], discard,
                  tear == state.torn.end() ? nullptr : &*tear);
        }
    }
    return content;
}

Bytes read_all(Device& device)
{
    Bytes content(device.size());
    Request request;
    request.op = Op::read;
    request.length = content.size();
    request.into = content;
    REQUIRE(device.execute(request) == 0);
    return content;
}

State random_state(Random& random, const LogIndex& index)
{
    State state;
    state.entries = random.between(0, index.size());
    for (const std::uint64_t entry : volatile_entries(index, state.entries)) {
        if (random.one_in(3)) {
            state.dropped.push_back(entry);
        } else if (random.one_in(3)) {
            Tear tear{entry, {}};
            for (std::uint64_t i = 0; i < index[entry].sectors; i++) {
                if (random.one_in(2)) {
                    tear.sectors.push_back(i);
                }
            }
            state.torn.push_back(tear);
        }
    }
    return state;
}

struct World {
    TemporaryFolder folder{"/tmp"};
    Bytes base;
    std::shared_ptr<Device> base_device;
    std::shared_ptr<const LogFile> log;
    std::shared_ptr<const LogIndex> index;

    World(const Bytes& log_bytes, const Bytes& base_bytes) : base(base_bytes)
    {
        write_file(folder / "base", base);
        write_file(folder / "log", log_bytes);
        base_device = resilience::open_child(
            resilience::parse_child_spec(folder / "base", "/"), {.writable = false});
        base_device->start();
        log = std::make_shared<LogFile>(folder / "log");
        index = std::make_shared<LogIndex>(LogIndex::scan(*log));
    }
    ~World() { base_device->stop(std::chrono::seconds(5)); }
    std::shared_ptr<StateDevice> device(ContentMap map) const
    {
        return std::make_shared<StateDevice>(log, base_device, std::move(map), device_size, "s");
    }
};

}  // namespace

TEST_CASE("each point and many states of a random log are served as they were")
{
    Random random;
    for (const Discard discard : {Discard::zero, Discard::keep}) {
        const RandomLog made(random, 300);
        Bytes base(device_size);
        std::ranges::generate(base, [&] { return static_cast<std::byte>(random.between(0, 255)); });
        const World world(made.bytes(), base);
        const Timeline timeline(world.log, world.index, discard);
        for (std::uint64_t entries = 0; entries <= world.index->size(); entries++) {
            const auto device = world.device(timeline.at(entries));
            REQUIRE(read_all(*device) == expected(base, made, {entries, {}, {}}, discard));
        }
        for (int round = 0; round < 300; round++) {
            const State state = random_state(random, *world.index);
            INFO(to_string(*world.index, state));
            const auto device = world.device(timeline.at(state));
            REQUIRE(read_all(*device) == expected(base, made, state, discard));
        }
    }
}

TEST_CASE("points beyond a snapshot are those without snapshots")
{
    Random random;
    LogBuilder builder;
    Bytes content(device_size);
    for (int i = 0; i < 9000; i++) {
        const std::uint64_t at = random.between(0, sectors - 1);
        const auto fill = static_cast<unsigned char>(random.between(1, 255));
        builder.write(at, 1, fill);
        std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(at * sector), sector,
                    std::byte{fill});
    }
    const World world(builder.bytes(), Bytes(device_size));
    const Timeline timeline(world.log, world.index);
    CHECK(read_all(*world.device(timeline.at(9000))) == content);
    const auto early = timeline.at(4100).pieces();
    const Timeline fresh(world.log, world.index);
    CHECK(fresh.at(4100).pieces() == early);
}

TEST_CASE("a base that is shorter than the device ends in zeroes")
{
    const World world(LogBuilder().write(0, 1, 'a').bytes(), Bytes(4096, std::byte{'b'}));
    const auto device = world.device({});
    Bytes content = read_all(*device);
    CHECK(std::ranges::count(content, std::byte{'b'}) == 4096);
    CHECK(std::ranges::count(content, std::byte{0}) == device_size - 4096);
}

TEST_CASE("extents tell zeroes from data, and cover what was asked")
{
    LogBuilder builder;
    builder.extended().write(0, 2, 'a').zero(2, 4).discard(10, 2);
    const World world(builder.bytes(), Bytes(device_size, std::byte{'b'}));
    const Timeline timeline(world.log, world.index);
    const auto device = world.device(timeline.at(3));
    Request request;
    request.op = Op::extents;
    request.offset = 100;
    request.length = device_size - 100;
    REQUIRE(device->execute(request) == 0);
    REQUIRE(request.extents.size() == 5);
    CHECK(request.extents[0] == resilience::Extent{2 * sector - 100, false, false});
    CHECK(request.extents[1] == resilience::Extent{4 * sector, true, true});
    CHECK(request.extents[2] == resilience::Extent{4 * sector, false, false});
    CHECK(request.extents[3] == resilience::Extent{2 * sector, true, true});
    request.flags.one_extent = true;
    REQUIRE(device->execute(request) == 0);
    CHECK(request.extents.size() == 1);
}

TEST_CASE("a log that shrinks while it is served gives errors, not crashes")
{
    const World world(LogBuilder().write(0, 4, 'a').bytes(), Bytes(device_size));
    const Timeline timeline(world.log, world.index);
    const auto device = world.device(timeline.at(1));
    write_file(world.folder / "log", Bytes(1024));
    Bytes content(device_size);
    Request request;
    request.op = Op::read;
    request.length = content.size();
    request.into = content;
    CHECK(device->execute(request) == EIO);
    request.op = Op::write;
    request.from = content;
    CHECK(device->execute(request) == EROFS);
}

TEST_CASE("a damaged log has no timeline")
{
    const World world(LogBuilder().flush().count(2).bytes(), Bytes(512));
    CHECK_THROWS_AS(Timeline(world.log, world.index), LogError);
}
