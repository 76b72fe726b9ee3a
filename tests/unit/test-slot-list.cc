// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>

#include "filters/logwrites/slot_list.h"

using resilience::logwrites::SlotList;
using Slot = SlotList::Slot;

TEST_CASE("slots are numbered in the order in which they are reserved")
{
    SlotList list(7);
    CHECK(list.complete() == 7);
    CHECK(list.idle());
    std::array<Slot, 2> slots;
    list.reserve(slots[0], 3);
    list.reserve(slots[1], 1);
    CHECK(slots[0].first == 7);
    CHECK(slots[0].count == 3);
    CHECK(slots[1].first == 10);
    CHECK(list.complete() == 7);
    CHECK(list.reserved() == 11);
    CHECK_FALSE(list.idle());
}

TEST_CASE("whatever the order of finishing, what is complete ends before the oldest in flight")
{
    std::array<int, 4> order = {0, 1, 2, 3};
    do {
        SlotList list(0);
        std::array<Slot, 4> slots;
        std::array<bool, 4> finished{};
        for (Slot& slot : slots) {
            list.reserve(slot, 2);
        }
        for (const int each : order) {
            list.finish(slots[static_cast<std::size_t>(each)]);
            finished[static_cast<std::size_t>(each)] = true;
            const auto oldest = std::find(finished.begin(), finished.end(), false);
            CHECK(list.complete() == 2U * static_cast<unsigned>(oldest - finished.begin()));
        }
        CHECK(list.idle());
    } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("a slot may be reserved while others are in flight, and after all are finished")
{
    SlotList list(0);
    std::array<Slot, 4> slots;
    list.reserve(slots[0], 1);
    list.reserve(slots[1], 1);
    list.finish(slots[1]);
    list.reserve(slots[2], 1);
    list.finish(slots[0]);
    CHECK(list.complete() == 2);
    list.finish(slots[2]);
    CHECK(list.complete() == 3);
    list.reserve(slots[3], 5);
    CHECK(list.complete() == 3);
    list.finish(slots[3]);
    CHECK(list.complete() == 8);
}

TEST_CASE("an entry that was not written is the end, and a later one does not move it")
{
    SlotList list(0);
    std::array<Slot, 3> slots;
    for (Slot& slot : slots) {
        list.reserve(slot, 1);
    }
    list.finish(slots[1]);
    list.end_before(slots[1].first);
    CHECK(list.can_complete(1));
    CHECK_FALSE(list.can_complete(2));
    CHECK(list.complete() == 0);
    CHECK(list.reserved() == 1);
    list.finish(slots[2]);
    list.end_before(slots[2].first);
    list.finish(slots[0]);
    CHECK(list.complete() == 1);
    CHECK_FALSE(list.can_complete(2));
}
