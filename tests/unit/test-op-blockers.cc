// SPDX-License-Identifier: BSD-3-Clause
//
// Which command is refused while what goes on: the whole table.
#include "common/core/op_blockers.h"

#include <catch2/catch.hpp>

#include <vector>

using Catch::Matchers::Contains;
using resilience::Activity;
using resilience::blocked;
using resilience::Command;
using resilience::Running;

namespace {

constexpr Command commands[] = {Command::add_child, Command::remove_child, Command::start_resync,
                                Command::snapshot};

/// The commands about child `subject` that `running`, alone, forbids.
std::vector<Command> forbidden(std::string_view subject, Running running)
{
    std::vector<Command> list;
    for (const Command command : commands) {
        if (const auto reason = blocked(command, subject, {&running, 1})) {
            CHECK_FALSE(reason->empty());
            list.push_back(command);
        }
    }
    return list;
}

using Commands = std::vector<Command>;

}  // namespace

TEST_CASE("op blockers: while nothing goes on nothing is refused", "[op-blockers]")
{
    for (const Command command : commands) {
        CHECK(blocked(command, "c1", {}) == std::nullopt);
    }
}

TEST_CASE("op blockers: a quorum forbids a snapshot", "[op-blockers]")
{
    CHECK(forbidden("c1", {Activity::quorum, ""}) == Commands{Command::snapshot});
}

TEST_CASE("op blockers: blkverify mode forbids to add a child", "[op-blockers]")
{
    CHECK(forbidden("c1", {Activity::blkverify_mode, ""}) == Commands{Command::add_child});
}

TEST_CASE("op blockers: the resync of a child forbids to remove that child", "[op-blockers]")
{
    CHECK(forbidden("c1", {Activity::resync_of_child, "c1"}) == Commands{Command::remove_child});
    CHECK(forbidden("c2", {Activity::resync_of_child, "c1"}) == Commands{});
}

TEST_CASE("op blockers: one membership change at a time, whichever the child", "[op-blockers]")
{
    const Commands both{Command::add_child, Command::remove_child};
    CHECK(forbidden("c1", {Activity::membership_change, "c1"}) == both);
    CHECK(forbidden("c2", {Activity::membership_change, "c1"}) == both);
}

TEST_CASE("op blockers: the reason names the thing and what to do", "[op-blockers]")
{
    const auto reason = [](Command command, const Running& running) {
        return blocked(command, "c1", {&running, 1}).value_or("");
    };
    CHECK_THAT(reason(Command::remove_child, {Activity::resync_of_child, "c1"}),
               Contains("'c1'") && Contains("resync-cancel"));
    CHECK_THAT(reason(Command::snapshot, {Activity::quorum, ""}), Contains("below each child"));
    CHECK_THAT(reason(Command::add_child, {Activity::membership_change, "c2"}),
               Contains("try again"));
    // QEMU's words, on which scripts match.
    CHECK(reason(Command::add_child, {Activity::blkverify_mode, ""}) ==
          "Cannot add a child to a quorum in blkverify mode");
}

TEST_CASE("op blockers: a name with braces is shown as it is", "[op-blockers]")
{
    const Running running{Activity::resync_of_child, "{0}{"};
    const auto reason = blocked(Command::remove_child, "{0}{", {&running, 1});
    REQUIRE(reason);
    CHECK_THAT(*reason, Contains("'{0}{'"));
}

TEST_CASE("op blockers: one of many things that go on is enough", "[op-blockers]")
{
    const std::vector<Running> running{{Activity::quorum, ""},
                                       {Activity::resync_of_child, "c2"},
                                       {Activity::resync_of_child, "c1"}};
    const auto reason = blocked(Command::remove_child, "c1", running);
    REQUIRE(reason);
    CHECK_THAT(*reason, Contains("'c1'"));
    CHECK(blocked(Command::remove_child, "c3", running) == std::nullopt);
    CHECK(blocked(Command::add_child, "c1", running) == std::nullopt);
}
