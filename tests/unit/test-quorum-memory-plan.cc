// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include <catch2/catch.hpp>

#include "filters/quorum/memory_plan.h"

using namespace resilience;
using namespace resilience::quorum;
using namespace resilience::memoryfile;

namespace {

constexpr std::size_t members = 3;

Content content_of(const std::array<MemberState, members>& states)
{
    Content content;
    for (std::size_t i = 0; i < members; i++) {
        content.members[i].state = states[i];
        content.members[i].spec = std::string("/disk") + static_cast<char>('a' + i);
        content.members[i].since = 1'700'000'000;
    }
    return content;
}

std::vector<Candidate> all_candidates(unsigned present = 7)
{
    std::vector<Candidate> all;
    for (std::size_t i = 0; i < members; i++) {
        const std::string spec = std::string("/disk") + static_cast<char>('a' + i);
        all.push_back({"", spec, spec, (present >> i & 1) != 0, "gone"});
    }
    return all;
}

/// It holds something else than was left there, and than `other` ones that differ hold.
WitnessFindings differing(int other = 0)
{
    WitnessFindings seen;
    seen.compared = 128;
    seen.differing = {{8192, {std::byte(other)}}};
    return seen;
}

Wishes wishes(std::size_t threshold = 2)
{
    Wishes result;
    result.threshold = threshold;
    return result;
}

}  // namespace

TEST_CASE("with a memory: all states, all that may be missing or foreign, all thresholds")
{
    constexpr std::array states{MemberState::current, MemberState::behind, MemberState::filling,
                                MemberState::foreign};
    for (unsigned number = 0; number < 4 * 4 * 4 * 8 * 8; number++) {
        const std::array<MemberState, members> these{states[number % 4], states[number / 4 % 4],
                                                     states[number / 16 % 4]};
        const unsigned present = number / 64 % 8;
        const unsigned differ = number / 512;
        const Content content = content_of(these);
        auto candidates = all_candidates(present);
        const auto is = [](unsigned mask, std::size_t i) { return (mask >> i & 1) != 0; };
        std::size_t current = 0;
        for (std::size_t i = 0; i < members; i++) {
            if (is(differ, i)) {
                candidates[i].seen = differing(static_cast<int>(i));
            }
            current += these[i] == MemberState::current && is(present, i) && !is(differ, i);
        }
        for (std::size_t threshold = 1; threshold <= members; threshold++) {
            const Plan plan = plan_start(&content, candidates, wishes(threshold));
            INFO("states " << number % 64 << " present " << present << " differ " << differ
                           << " T " << threshold);
            REQUIRE(plan.refusal.empty() == (current >= threshold));
            REQUIRE_FALSE(plan.source);
            for (std::size_t i = 0; plan.refusal.empty() && i < members; i++) {
                REQUIRE(plan.roles[i].place == i);
                REQUIRE_FALSE(plan.roles[i].is_new);
                // Nobody becomes better than what is remembered.
                REQUIRE(plan.roles[i].state == (is(present, i) && is(differ, i)
                                                    ? MemberState::foreign
                                                    : these[i]));
            }
            for (std::size_t i = 0; i < members; i++) {
                Wishes force = wishes(threshold);
                force.force_start = candidates[i].spec;
                const Plan forced = plan_start(&content, candidates, force);
                REQUIRE(forced.refusal.empty() == is(present, i));
                if (forced.refusal.empty()) {
                    REQUIRE(forced.source == i);
                    REQUIRE(forced.roles[i].state == MemberState::current);
                    REQUIRE(std::ranges::count(forced.roles, MemberState::filling,
                                               &Role::state) == 2);
                    REQUIRE(std::ranges::count(forced.roles, true, &Role::wholly_stale) == 2);
                }
            }
        }
    }
}

TEST_CASE("members that differ from the memory, and not from each other, show that it is old")
{
    const Content content =
        content_of({MemberState::current, MemberState::current, MemberState::current});
    auto candidates = all_candidates();
    for (Candidate& candidate : candidates) {
        candidate.seen = differing();
    }
    const auto refusal = [&] { return plan_start(&content, candidates, wishes(1)).refusal; };
    CHECK_THAT(refusal(), Catch::Contains("it is the memory that is old") &&
                              Catch::Contains("the first one at byte 8192") &&
                              Catch::Contains("quorum-force-start=NAME"));
    // Of those that are there.
    candidates[2].present = false;
    CHECK_THAT(refusal(), Catch::Contains("it is the memory that is old"));
    // One alone shows nothing, and neither do some that differ from each other.
    candidates[1].present = false;
    CHECK_THAT(refusal(), Catch::Contains("'/diska' is foreign, another disk or an old copy: 1 of "
                                          "128 places"));
    candidates[1].present = true;
    candidates[1].seen = differing(1);
    CHECK_THAT(refusal(), Catch::Contains("0 of the members that are there are current"));
    // Nor if one of them is as the memory says: it is the one to believe.
    candidates[1].seen = {};
    const Plan plan = plan_start(&content, candidates, wishes(1));
    REQUIRE(plan.refusal.empty());
    CHECK(plan.roles[0].state == MemberState::foreign);
    CHECK(plan.roles[1].state == MemberState::current);
}

TEST_CASE("what was moved is filled, whatever it holds")
{
    Content content =
        content_of({MemberState::current, MemberState::current, MemberState::current});
    auto candidates = all_candidates();
    content.members[0].name = candidates[0].name = "a";
    candidates[0].spec = "/elsewhere";
    candidates[0].seen = differing();
    const Plan plan = plan_start(&content, candidates, wishes());
    REQUIRE(plan.refusal.empty());
    CHECK(plan.roles[0].state == MemberState::filling);
    CHECK(plan.roles[0].wholly_stale);
}

TEST_CASE("a new set: what is there, and what was said")
{
    for (unsigned present = 0; present < 8; present++) {
        const auto there = static_cast<std::size_t>(std::popcount(present));
        const auto candidates = all_candidates(present);
        Wishes create = wishes();
        CHECK(plan_start(nullptr, candidates, create).refusal.empty() == (there == members));
        create.create = Create::degraded;
        const Plan degraded = plan_start(nullptr, candidates, create);
        CHECK(degraded.refusal.empty() == (there >= 2));
        for (std::size_t i = 0; degraded.refusal.empty() && i < members; i++) {
            CHECK(degraded.roles[i].is_new);
            CHECK(degraded.roles[i].state == ((present >> i & 1) != 0 ? MemberState::current
                                                                      : MemberState::filling));
        }
        create.create = Create::fill;
        create.source = "/diskb";
        const Plan filled = plan_start(nullptr, candidates, create);
        CHECK(filled.refusal.empty() == ((present & 2) != 0));
        if (filled.refusal.empty()) {
            CHECK(filled.source == 1);
            CHECK(filled.roles[0].state == MemberState::filling);
            CHECK(filled.roles[1].state == MemberState::current);
        }
    }
}

TEST_CASE("without a memory the one that is called the truth is copied to all others")
{
    Wishes force = wishes();
    force.force_start = "/diskb";
    const Plan plan = plan_start(nullptr, all_candidates(), force);
    REQUIRE(plan.refusal.empty());
    CHECK(plan.source == 1);
    CHECK(plan.roles[0].state == MemberState::filling);
    CHECK(plan.roles[2].wholly_stale);
    CHECK_FALSE(plan_start(nullptr, all_candidates(5), force).refusal.empty());
}

TEST_CASE("members are known by their names, and then by their SPECs")
{
    Content content = content_of({MemberState::current, MemberState::current, MemberState::behind});
    content.members[0].name = "a";
    content.members[1].name = "b";
    std::vector<Candidate> candidates{{"b", "/diskb", "b", true, ""},
                                      {"a", "/diska", "a", true, ""},
                                      {"c", "/diskc", "c", true, ""}};
    auto matched = match_members(content, candidates);
    CHECK(matched == std::vector<std::optional<std::size_t>>{1, 0, 2});

    // The names were exchanged: the name is what counts.
    candidates[0].spec = "/diska";
    candidates[1].spec = "/diskb";
    matched = match_members(content, candidates);
    CHECK(matched == std::vector<std::optional<std::size_t>>{1, 0, 2});
    // And what is at another place than it was is not believed.
    const Plan moved = plan_start(&content, candidates, wishes());
    CHECK(moved.refusal.find("0 of the members") == 0);

    // A child that nobody knows is wholly stale, and one that is not named is away.
    candidates = {{"a", "/diska", "a", true, ""},
                  {"b", "/diskb", "b", true, ""},
                  {"d", "/diskd", "d", true, ""}};
    const Plan plan = plan_start(&content, candidates, wishes());
    REQUIRE(plan.refusal.empty());
    CHECK(plan.roles[2].is_new);
    CHECK(plan.roles[2].place == 3);
    CHECK(plan.roles[2].state == MemberState::filling);
    CHECK(plan.away == std::vector<std::size_t>{2});
}

TEST_CASE("a refusal names who is current, who is not and since when, and the way out")
{
    const Content content =
        content_of({MemberState::current, MemberState::behind, MemberState::current});
    const Plan plan = plan_start(&content, all_candidates(3), wishes());
    CHECK_THAT(plan.refusal,
               Catch::Contains("1 of the members that are there are current, and 2 are needed") &&
                   Catch::Contains("'/diska' is current") &&
                   Catch::Contains("'/diskb' is behind since 2023-11-14 22:13:20Z") &&
                   Catch::Contains("'/diskc' is current, and not there (gone)") &&
                   Catch::Contains("quorum-force-start=NAME"));
}

TEST_CASE("no place is left for another member")
{
    Content content;
    for (std::size_t i = 0; i < most_members; i++) {
        content.members[i].state = MemberState::current;
        content.members[i].spec = "/disk" + std::to_string(i);
    }
    const std::vector<Candidate> candidates{{"", "/disk0", "0", true, ""},
                                            {"", "/disk1", "1", true, ""},
                                            {"", "/new", "new", true, ""}};
    CHECK_THAT(plan_start(&content, candidates, wishes()).refusal,
               Catch::Contains("32 members") && Catch::Contains("child-remove"));
}
