// SPDX-License-Identifier: BSD-3-Clause

// The word that the status says, over all combinations of what can be known of up to
// three members: it is the worst thing that is wrong, and healthy only if nothing is.

#include <functional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "filters/quorum/verdict.h"

using namespace resilience::quorum;

namespace {

struct Kind {
    const char* name;
    Word word;
    MemberFacts facts;
};

/// How a member can be, alone and as far as it makes a difference.
std::vector<Kind> kinds()
{
    const auto make = [](const std::function<void(MemberFacts&)>& change) {
        MemberFacts facts;
        change(facts);
        return facts;
    };
    const auto away = [](MemberFacts& m) { m.online = false, m.absence = "gone"; };
    return {
        {"well", Word::healthy, {}},
        {"paused, and misses nothing", Word::healthy, make([](auto& m) { m.paused = true; })},
        {"misses something", Word::resyncing, make([](auto& m) { m.stale_bytes = 512; })},
        {"differs", Word::differs, make([](auto& m) { m.differing_bytes = 512; })},
        {"last copy", Word::differs,
         make([](auto& m) { m.differing_bytes = 512, m.last_copy = true; })},
        {"both", Word::differs, make([](auto& m) { m.stale_bytes = m.differing_bytes = 512; })},
        {"paused", Word::degraded, make([](auto& m) { m.stale_bytes = 512, m.paused = true; })},
        {"cancelled", Word::degraded,
         make([](auto& m) { m.stale_bytes = 512, m.cancelled = true; })},
        {"blocked", Word::degraded,
         make([](auto& m) { m.stale_bytes = 512, m.blocked = "at byte 0: why"; })},
        {"away", Word::degraded, make(away)},
        {"away, and misses something", Word::degraded,
         make([&](auto& m) { away(m), m.stale_bytes = 512; })},
        {"away, and differs", Word::degraded,
         make([&](auto& m) { away(m), m.differing_bytes = 512; })},
    };
}

std::size_t online(const Facts& facts)
{
    std::size_t count = 0;
    for (const MemberFacts& member : facts.members) {
        count += member.online;
    }
    return count;
}

/// The table of docs/status.md, from the worst on.
Word expected(const Facts& facts, const std::vector<Kind>& members)
{
    Word word = Word::healthy;
    const auto at_worst = [&](bool wrong, Word is) { word = wrong && is < word ? is : word; };
    at_worst(facts.unreadable_bytes != 0 || online(facts) < facts.threshold, Word::failed);
    for (const Kind& member : members) {
        at_worst(true, member.word);
    }
    at_worst(facts.compared == false, Word::never_compared);
    at_worst(facts.has_memory == false, Word::without_memory);
    return word;
}

bool says(const std::vector<std::string>& texts, const std::string& what)
{
    for (const std::string& text : texts) {
        if (text.find(what) != std::string::npos) {
            return true;
        }
    }
    return false;
}

std::string begins(const Verdict& verdict)
{
    const std::string& first = verdict.details.front();
    return first.starts_with("unreadable: ") || first.starts_with("nothing can be written")
               ? "failed"
               : first.substr(0, first.find(": "));
}

/// What must be true of any verdict; returns what is not.
std::string wrong_in(const Verdict& verdict, const Facts& facts, const std::vector<Kind>& members)
{
    if (verdict.word != expected(facts, members)) {
        return "the word is " + std::string(to_string(verdict.word));
    }
    if ((verdict.word == Word::healthy) != verdict.details.empty()) {
        return "healthy means that there is nothing to say";
    }
    if (!verdict.details.empty() && begins(verdict) != to_string(verdict.word)) {
        return "the first sentence is about the word: " + verdict.details.front();
    }
    if (verdict.word != Word::healthy && verdict.advice.empty()) {
        return "there is no advice";
    }
    for (std::size_t i = 0; i < members.size(); i++) {
        if ((members[i].word != Word::healthy) !=
            says(verdict.details, "'" + facts.members[i].name + "'")) {
            return "a member is named when something is wrong with it";
        }
    }
    const bool dead = verdict.word == Word::failed;
    if (dead && verdict.survivable_failures != 0) {
        return "failed, and it survives more";
    }
    if (!dead && verdict.survivable_failures > online(facts) - facts.threshold) {
        return "it survives more than there are to fail";
    }
    if (!dead && verdict.survivable_failures > facts.fewest - facts.read_votes) {
        return "it survives more than there are copies to lose";
    }
    return {};
}

/// Calls `check(facts, members)` for everything that can be.
void for_all(const std::function<void(Facts&, const std::vector<Kind>&)>& check)
{
    const std::vector<Kind> all = kinds();
    for (std::size_t count = 1; count <= 3; count++) {
        std::size_t combinations = 1;
        for (std::size_t i = 0; i < count; i++) {
            combinations *= all.size();
        }
        for (std::size_t which = 0; which < combinations; which++) {
            Facts facts;
            std::vector<Kind> members;
            for (std::size_t i = 0, rest = which; i < count; i++, rest /= all.size()) {
                members.push_back(all[rest % all.size()]);
                facts.members.push_back(members.back().facts);
                facts.members.back().name = std::string(1, static_cast<char>('a' + i));
            }
            check(facts, members);
        }
    }
}

const std::vector<std::optional<bool>> known{std::nullopt, true, false};

}  // namespace

TEST_CASE("the word is the worst thing that is wrong, and healthy only if nothing is")
{
    int checked = 0;
    for_all([&](Facts& facts, const std::vector<Kind>& members) {
        const std::size_t there = online(facts);
        for (facts.threshold = 1; facts.threshold <= members.size(); facts.threshold++) {
            // Reads that vote, and those of fifo.
            for (facts.read_votes = 1; facts.read_votes <= facts.threshold;
                 facts.read_votes += facts.threshold == 1 ? 1 : facts.threshold - 1) {
                for (facts.fewest = 0; facts.fewest <= there; facts.fewest++) {
                    facts.unreadable_bytes = facts.fewest < facts.read_votes ? 65536 : 0;
                    for (const auto memory : known) {
                        for (const auto compared : known) {
                            facts.has_memory = memory;
                            facts.compared = compared;
                            const std::string wrong = wrong_in(judge(facts), facts, members);
                            if (!wrong.empty()) {
                                FAIL(members.front().name << ", threshold " << facts.threshold
                                                          << " of " << members.size() << ": "
                                                          << wrong);
                            }
                            checked++;
                        }
                    }
                }
            }
        }
    });
    CHECK(checked > 50000);
}

TEST_CASE("what gets worse never sounds better")
{
    for_all([](Facts& facts, const std::vector<Kind>&) {
        facts.threshold = facts.read_votes = facts.members.size() / 2 + 1;
        const auto about = [](Facts of) {
            of.fewest = online(of);
            of.unreadable_bytes = of.fewest < of.read_votes ? 65536 : 0;
            return judge(of);
        };
        const Verdict before = about(facts);
        for (std::size_t i = 0; i < facts.members.size(); i++) {
            Facts worse = facts;
            worse.members[i].online = false;
            const Verdict after = about(worse);
            REQUIRE(after.word <= before.word);
            REQUIRE(after.survivable_failures <= before.survivable_failures);
        }
    });
}

TEST_CASE("what is said of each trouble")
{
    Facts facts;
    facts.threshold = facts.read_votes = 2;
    facts.fewest = 3;
    facts.members.resize(3);
    facts.members[0].name = "a";
    facts.members[1].name = "b";
    facts.members[2].name = "c";
    MemberFacts& c = facts.members[2];
    const auto first = [&] { return judge(facts).details.front(); };
    const auto advice = [&] { return judge(facts).advice; };

    CHECK(judge(facts).survivable_failures == 1);
    CHECK(advice().empty());

    facts.unreadable_bytes = 65536;
    facts.fewest = 1;
    CHECK(first() == "unreadable: 65536 bytes: fewer than 2 of the members that are there hold "
                     "what is right");
    facts.unreadable_bytes = 0;
    facts.fewest = 2;
    c.online = false;
    c.absence = "Connection refused";
    c.stale_bytes = 65536;
    CHECK(first() == "degraded: 'c' is missing: Connection refused; it misses 65536 bytes");
    CHECK(says(advice(), "child-remove child=c"));
    CHECK(judge(facts).survivable_failures == 0);
    c.online = true;
    c.paused = true;
    CHECK(first() == "degraded: 'c' misses 65536 bytes, and its resync is paused");
    CHECK(says(advice(), "resync-resume child=c"));
    c.paused = false;
    c.cancelled = true;
    CHECK(first() == "degraded: 'c' misses 65536 bytes, and its resync was cancelled");
    CHECK(says(advice(), "resync-start child=c"));
    c.cancelled = false;
    c.blocked = "at byte 0: 1 members are current there, and 2 are needed";
    CHECK(first() == "degraded: 'c' misses 65536 bytes, and cannot be copied to " + c.blocked);
    CHECK(says(advice(), "assume-clean child=c"));
    c.blocked.clear();
    CHECK(first() == "resyncing: 'c' misses 65536 bytes, which are being copied");
    CHECK(says(advice(), "wait-resync"));
    c.stale_bytes = 0;
    c.differing_bytes = 512;
    CHECK(first() ==
          "differs: 'c' holds something else than the others, or cannot be read, in 512 bytes");
    CHECK(says(advice(), "resync-start full=true child=c"));
    facts.heals = true;
    CHECK(says(advice(), "it is rewritten"));
    c.last_copy = true;
    CHECK(first() == "differs: 'c' has data where the others have zeroes: it may be the last copy");
    CHECK(says(advice(), "copy 'c' away"));
    c.last_copy = false;
    c.differing_bytes = 0;
    facts.fewest = 3;
    facts.compared = false;
    CHECK(first() == "never-compared: the members have not been compared");
    facts.compared = true;
    facts.has_memory = false;
    CHECK(first() == "without-memory: who is current is forgotten at a restart");
}

TEST_CASE("a set that survives nothing is healthy, and told to grow")
{
    Facts facts;
    facts.threshold = facts.read_votes = facts.fewest = 2;
    facts.members.resize(2);
    CHECK(judge(facts).word == Word::healthy);
    CHECK(judge(facts).survivable_failures == 0);
    CHECK(says(judge(facts).advice, "the first member that is lost stops everything"));
    facts.may_grow = false;
    CHECK(judge(facts).advice.empty());
    facts.members[1].online = false;
    CHECK(judge(facts).word == Word::failed);
    CHECK(judge(facts).details.front() ==
          "nothing can be written: 1 of 2 members are there, and 2 are needed");
}
