// SPDX-License-Identifier: BSD-3-Clause
//
// Whom to believe about a sector when children are stale: the table, row by row, and
// then every history of a sector up to a length.  A history is of acknowledged and
// failed writes, of writes nearby that make children stale, of children that forget,
// are filled, added and removed.  Whatever has happened and whoever answers, what is
// elected is never older than the last acknowledged write.
#include "common/core/vote.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <compare>
#include <iterator>
#include <set>
#include <string>
#include <vector>

using namespace resilience;

namespace {

/// Two letters for each child: what it holds (or e, it failed), and its standing.
/// 'A' when A was elected, '-' when nothing was.
char elected(const std::string& children, std::size_t threshold, std::size_t members)
{
    std::vector<std::byte> letters;
    std::vector<Ballot> ballots;
    letters.reserve(children.size());
    for (std::size_t i = 0; i < children.size(); i += 2) {
        letters.push_back(std::byte(children[i]));
        ballots.push_back({children[i] == 'e' ? EIO : 0,
                           {&letters.back(), 1},
                           children[i + 1] == 'c'   ? Standing::current
                           : children[i + 1] == 'm' ? Standing::missed
                                                    : Standing::doubtful});
    }
    const Vote vote = elect_among_all(ballots, threshold, members);
    return vote.error == 0 ? static_cast<char>(ballots[vote.winner].data[0]) : '-';
}

}  // namespace

TEST_CASE("enough current ones that agree: nobody else is heard")
{
    CHECK(elected("AcAcBm", 2, 3) == 'A');
    CHECK(elected("AcAcBmBmBm", 2, 5) == 'A');
    CHECK(elected("AcAcAcBmBm", 3, 5) == 'A');
}

TEST_CASE("current ones that disagree: what missed something decides between them")
{
    CHECK(elected("AcBcBm", 2, 3) == 'B');
    CHECK(elected("AcBcCm", 2, 3) == '-');
    CHECK(elected("AcBcBd", 2, 3) == '-');
    CHECK(elected("AcBcCmCm", 2, 3) == '-');
    CHECK(elected("AcBcBmBm", 2, 4) == '-');  // no majority of the members
}

TEST_CASE("too few current ones: stale ones confirm, and outvote nobody")
{
    CHECK(elected("AcAmBd", 2, 3) == 'A');
    CHECK(elected("AcAdBd", 2, 3) == 'A');
    CHECK(elected("AcBmBm", 2, 3) == '-');
    CHECK(elected("AcBdBd", 2, 3) == '-');
    CHECK(elected("AcAdBdBd", 2, 4) == 'A');
    CHECK(elected("AcAdBdBd", 3, 4) == '-');
}

TEST_CASE("no current one: those that have kept what they did decide, by a majority")
{
    CHECK(elected("AmAmBm", 2, 3) == 'A');
    CHECK(elected("AmBmAm", 2, 3) == 'A');
    CHECK(elected("AmBmCm", 2, 3) == '-');
    CHECK(elected("AmAdBm", 2, 3) == '-');
    CHECK(elected("AdAdAd", 2, 3) == '-');
    CHECK(elected("ecAmAm", 2, 3) == 'A');
    CHECK(elected("AmAm", 2, 3) == 'A');
    CHECK(elected("AmAm", 2, 4) == '-');
    CHECK(elected("AmAmAmBm", 2, 4) == '-');
    CHECK(elected("AmAmAmBm", 3, 4) == 'A');
    CHECK(elected("Am", 1, 1) == 'A');
    CHECK(elected("AmAm", 1, 2) == '-');
}

TEST_CASE("nobody answers: an error")
{
    CHECK(elected("", 1, 1) == '-');
    CHECK(elected("ecemed", 1, 3) == '-');
}

namespace {

/// One child's copy of the sector.  Versions are counted by the writes, 0 is what was
/// there before; whoever writes later has the higher number.
struct Copy {
    int visible = 0;
    int durable = 0;
    Standing standing = Standing::current;

    auto operator<=>(const Copy&) const = default;
    void misses()
    {
        standing = standing == Standing::current ? Standing::missed : standing;
    }
};

struct World {
    std::vector<Copy> copies;
    int acknowledged = 0;  ///< the newest version that was
    int newest = 0;

    auto operator<=>(const World&) const = default;
    bool any_stale() const
    {
        return std::ranges::any_of(
            copies, [](const Copy& c) { return c.standing != Standing::current; });
    }
    /// Versions by their rank: what has no copy any more makes no difference.
    World ranked() const
    {
        std::set<int> alive{0, acknowledged};
        for (const Copy& copy : copies) {
            alive.insert({copy.visible, copy.durable});
        }
        const auto rank = [&](int version) {
            return static_cast<int>(std::distance(alive.begin(), alive.find(version)));
        };
        World result = *this;
        for (Copy& copy : result.copies) {
            copy.visible = rank(copy.visible);
            copy.durable = rank(copy.durable);
        }
        result.acknowledged = rank(acknowledged);
        result.newest = static_cast<int>(alive.size()) - 1;
        return result;
    }
};

using Set = unsigned;  // of children, a bit for each
bool in(Set set, std::size_t i) { return (set >> i & 1) != 0; }
std::size_t size_of(Set set) { return static_cast<std::size_t>(std::popcount(set)); }

/// What is elected when these answer; -1: nothing.
int outcome(const World& world, std::size_t threshold, Set answering)
{
    std::vector<std::byte> data(world.copies.size());
    std::vector<Ballot> ballots;
    for (std::size_t i = 0; i < data.size(); i++) {
        data[i] = std::byte(world.copies[i].visible);
        ballots.push_back({in(answering, i) ? 0 : EIO, {&data[i], 1}, world.copies[i].standing});
    }
    const Vote vote = elect_among_all(ballots, threshold, world.copies.size());
    return vote.error == 0 ? world.copies[vote.winner].visible : -1;
}

/// Everything that can happen next.  `members`: children come and go.
std::vector<World> what_follows(const World& world, std::size_t threshold, bool members)
{
    std::vector<World> next;
    const std::size_t n = world.copies.size();
    for (Set set = 0; set < Set{1} << n; set++) {
        World write = world;  // reaches these; of the sector alone, or of all around it
        write.newest++;
        for (std::size_t i = 0; i < n; i++) {
            write.copies[i].visible = in(set, i) ? write.newest : write.copies[i].visible;
        }
        next.push_back(write);  // fails: nothing is noted
        if (size_of(set) < threshold) {
            continue;
        }
        write.acknowledged = write.newest;
        World whole = write;
        World near = world;
        for (std::size_t i = 0; i < n; i++) {
            if (in(set, i)) {
                whole.copies[i].standing = Standing::current;
                continue;
            }
            for (World* missed : {&write, &whole, &near}) {
                missed->copies[i].misses();
            }
        }
        next.insert(next.end(), {write, whole, near});
    }
    const int winner = outcome(world, threshold, ~Set{0});
    for (std::size_t i = 0; i < n; i++) {
        World flushed = world;
        flushed.copies[i].durable = world.copies[i].visible;
        World forgets = world;
        forgets.copies[i] = {world.copies[i].durable, world.copies[i].durable, Standing::doubtful};
        next.insert(next.end(), {flushed, forgets});
        if (winner >= 0) {
            World copied = world;
            copied.copies[i].visible = winner;
            copied.copies[i].standing = Standing::current;
            next.push_back(copied);
        }
        if (members && n > threshold) {
            World smaller = world;
            smaller.copies.erase(smaller.copies.begin() + static_cast<std::ptrdiff_t>(i));
            const auto current = std::ranges::count(smaller.copies, Standing::current,
                                                    &Copy::standing);
            // What check_dispensable() refuses.
            if (world.copies[i].standing == Standing::current && smaller.any_stale() &&
                static_cast<std::size_t>(current) < threshold) {
                continue;
            }
            for (Copy& copy : smaller.copies) {
                copy.standing = copy.standing == Standing::missed ? Standing::doubtful
                                                                  : copy.standing;
            }
            next.push_back(smaller);
        }
    }
    if (members && n < 4) {
        World larger = world;
        larger.copies.push_back({0, 0, Standing::doubtful});  // as if nothing had happened
        next.push_back(larger);
    }
    return next;
}

/// Walks all histories of up to `length` events; returns how many different worlds
/// there were.
std::size_t explore(std::size_t children, std::size_t threshold, int length, bool members)
{
    std::set<World> seen;
    std::vector<World> now{World{std::vector<Copy>(children), 0, 0}};
    seen.insert(now.front());
    for (int step = 0; step < length; step++) {
        std::vector<World> later;
        for (const World& world : now) {
            for (const World& next : what_follows(world, threshold, members)) {
                const World ranked = next.ranked();
                if (!seen.insert(ranked).second) {
                    continue;
                }
                later.push_back(ranked);
                for (Set set = 0; set < Set{1} << ranked.copies.size(); set++) {
                    const int version = outcome(ranked, threshold, set);
                    if (version >= 0 && version < ranked.acknowledged) {
                        CAPTURE(children, threshold, step, set, version, ranked.acknowledged);
                        FAIL("old data were elected");
                    }
                }
            }
        }
        now = std::move(later);
    }
    return seen.size();
}

}  // namespace

TEST_CASE("no history of a sector makes old data win")
{
    CHECK(explore(3, 2, 6, false) > 1000);
    CHECK(explore(3, 2, 4, true) > 1000);
    CHECK(explore(2, 2, 6, true) > 500);
    CHECK(explore(4, 3, 3, true) > 1000);
    CHECK(explore(5, 3, 2, false) > 1000);
}

TEST_CASE("a threshold of half of the children or less: what was safe among current ones is")
{
    CHECK(explore(4, 2, 3, false) > 1000);
    CHECK(explore(2, 1, 6, false) > 100);
}

TEST_CASE("writes nearby that each child but one has done cost nothing")
{
    World world{std::vector<Copy>(3), 0, 0};
    for (std::size_t left_out = 0; left_out < 3; left_out++) {
        world.copies[left_out].misses();
    }
    CHECK(outcome(world, 2, 0b111) == 0);
    for (std::size_t missing = 0; missing < 3; missing++) {
        World written = world;
        written.newest = written.acknowledged = 1;
        for (std::size_t i = 0; i < 3; i++) {
            written.copies[i].visible = i == missing ? 0 : 1;
        }
        CHECK(outcome(written, 2, 0b111) == 1);
        CHECK(outcome(written, 2, 0b111 & ~(1U << missing)) == 1);
    }
}
