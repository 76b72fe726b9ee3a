// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/child_state.h"

#include <catch2/catch.hpp>

using resilience::ChildEvent;
using resilience::ChildState;
using resilience::next_state;
using resilience::to_string;

namespace {

constexpr ChildState states[] = {ChildState::online, ChildState::suspect, ChildState::aside};
constexpr ChildEvent events[] = {ChildEvent::missed_deadline, ChildEvent::grace_over,
                                 ChildEvent::link_lost, ChildEvent::answered};

}  // namespace

TEST_CASE("child state: the whole table", "[child-state]")
{
    const auto online = ChildState::online;
    const auto suspect = ChildState::suspect;
    const auto aside = ChildState::aside;

    CHECK(next_state(online, ChildEvent::missed_deadline) == suspect);
    CHECK(next_state(online, ChildEvent::grace_over) == online);
    CHECK(next_state(online, ChildEvent::link_lost) == aside);
    CHECK(next_state(online, ChildEvent::answered) == online);

    CHECK(next_state(suspect, ChildEvent::missed_deadline) == suspect);
    CHECK(next_state(suspect, ChildEvent::grace_over) == aside);
    CHECK(next_state(suspect, ChildEvent::link_lost) == aside);
    CHECK(next_state(suspect, ChildEvent::answered) == online);

    CHECK(next_state(aside, ChildEvent::missed_deadline) == aside);
    CHECK(next_state(aside, ChildEvent::grace_over) == aside);
    CHECK(next_state(aside, ChildEvent::link_lost) == aside);
    CHECK(next_state(aside, ChildEvent::answered) == online);
}

TEST_CASE("child state: only an answer brings a child back", "[child-state]")
{
    for (const ChildState state : states) {
        for (const ChildEvent event : events) {
            if (event != ChildEvent::answered) {
                // The enumerators stand in the order of getting worse.
                CHECK(next_state(state, event) >= state);
            }
        }
    }
}

TEST_CASE("child state: an event that comes twice changes nothing more", "[child-state]")
{
    for (const ChildState state : states) {
        for (const ChildEvent event : events) {
            const ChildState once = next_state(state, event);
            CHECK(next_state(once, event) == once);
        }
    }
}

TEST_CASE("child state: names for people", "[child-state]")
{
    CHECK(to_string(ChildState::online) == "online");
    CHECK(to_string(ChildState::suspect) == "suspect");
    CHECK(to_string(ChildState::aside) == "aside");
    CHECK(to_string(ChildEvent::missed_deadline) == "missed a deadline");
    CHECK(to_string(ChildEvent::grace_over) == "did not answer for a second timeout");
    CHECK(to_string(ChildEvent::link_lost) == "connection lost");
    CHECK(to_string(ChildEvent::answered) == "answers again");
}
