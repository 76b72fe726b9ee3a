// SPDX-License-Identifier: BSD-3-Clause

// The identity and the messages of the export `control`: what is written is read,
// and each byte that is wrong is an error.

#include <catch2/catch.hpp>

#include <fstream>

#include "filters/replication/pair/identity.h"
#include "filters/replication/pair/state.h"
#include "filters/replication/pair/wire.h"
#include "tests/unit/device_test.h"

using namespace device_test;
using namespace resilience::replication;

namespace {

template <typename Bytes, typename Decode>
void check_each_byte(Bytes bytes, Decode decode)
{
    decode(bytes);
    for (std::size_t at = 0; at < bytes.size(); at++) {
        bytes[at] ^= std::byte{0x20};
        bool refused = false;
        try {
            decode(bytes);
        } catch (const std::runtime_error&) {
            refused = true;
        }
        if (!refused) {
            FAIL("byte " << at);
        }
        bytes[at] ^= std::byte{0x20};
    }
}

Identity sample()
{
    Identity identity;
    identity.pair = random_pair_id();
    identity.epoch = 3;
    identity.role = Role::promoted;
    identity.consistent = true;
    identity.owes_map = true;
    identity.merging = true;
    identity.device_size = 12345;
    identity.checkpoint = 77;
    identity.hidden = 99;
    return identity;
}

}  // namespace

TEST_CASE("an identity outlives its process")
{
    const TemporaryFolder folder("/dev/shm");
    const IdentityFile file(folder / "identity");
    CHECK(file.load() == Identity{});
    const Identity identity = sample();
    REQUIRE(file.store(identity) == 0);
    CHECK(file.load() == identity);
    CHECK(IdentityFile(folder / "nowhere/identity").store(identity) == ENOENT);
}

TEST_CASE("each wrong byte of an identity is an error")
{
    check_each_byte(encode(sample()), [](const auto& bytes) { decode_identity(bytes); });
    const auto bytes = encode(sample());
    CHECK_THROWS(decode_identity(std::span(bytes).first(127)));
    CHECK_THROWS(decode_identity({}));
}

TEST_CASE("a command and a status arrive as they were sent")
{
    wire::Command command;
    command.kind = wire::Kind::sync_begin;
    command.flags = wire::flag_full;
    command.sequence = 1;
    command.session = 2;
    command.pair = random_pair_id();
    command.epoch = 3;
    command.device_size = 4;
    command.checkpoint = 5;
    command.done = 6;
    command.total = 7;
    CHECK(wire::decode_command(wire::encode(command)) == command);
    check_each_byte(wire::encode(command), [](const auto& b) { wire::decode_command(b); });

    wire::Status status;
    status.sequence = 1;
    status.refusal = Refusal::stale_epoch;
    status.session = 2;
    status.text = "the reason";
    status.state = State::failover;
    status.role = Role::promoted;
    status.pair = command.pair;
    status.epoch = 3;
    status.device_size = 4;
    status.checkpoint = 5;
    status.checkpoint_time = 6;
    status.consistent = status.was_primary = true;
    status.error = EIO;
    status.hidden_bytes = 7;
    status.active_bytes = 8;
    status.map_granularity = 65536;
    status.map_bytes = 9;
    status.instance = 10;
    CHECK(wire::decode_status(wire::encode(status)) == status);
    check_each_byte(wire::encode(status), [](const auto& b) { wire::decode_status(b); });
    status.text = std::string(5000, 'x');
    CHECK(wire::decode_status(wire::encode(status)).text == std::string(1024, 'x'));
}

TEST_CASE("commands in each state, on both sides")
{
    const auto go = [](const Ruling& ruling) {
        return ruling.go ? "go" : ruling.error.empty() ? "ignore" : "refuse";
    };
    struct Row {
        State state;
        const char* start;
        const char* checkpoint_primary;
        const char* checkpoint_secondary;
        const char* stop;
        const char* failover;
    };
    for (const Row& row :
         {Row{State::none, "go", "ignore", "refuse", "refuse", "refuse"},
          Row{State::running, "refuse", "go", "go", "go", "go"},
          Row{State::failover, "ignore", "ignore", "ignore", "ignore", "ignore"},
          Row{State::failover_failed, "refuse", "ignore", "refuse", "refuse", "go"},
          Row{State::done, "go", "ignore", "ignore", "ignore", "ignore"}}) {
        CAPTURE(std::string(to_string(row.state)));
        CHECK(go(rule_start(row.state, false, Mode::secondary, Mode::secondary)) ==
              std::string(row.start));
        CHECK(go(rule_checkpoint(row.state, Mode::primary)) == std::string(row.checkpoint_primary));
        CHECK(go(rule_checkpoint(row.state, Mode::secondary)) ==
              std::string(row.checkpoint_secondary));
        CHECK(go(rule_stop(row.state)) == std::string(row.stop));
        CHECK(go(rule_failover(row.state, Mode::secondary)) == std::string(row.failover));
    }
    CHECK(go(rule_start(State::done, true, Mode::secondary, Mode::primary)) ==
          std::string("ignore"));
    CHECK(rule_start(State::none, false, Mode::primary, Mode::secondary).error ==
          "The parameter mode's value is invalid, needs 0, but got 1");
    CHECK(replication_error(State::none, true) == "Block replication is not running");
    CHECK(replication_error(State::running, true) == "I/O error occurred");
    CHECK(replication_error(State::running, false) == std::nullopt);
}
