// SPDX-License-Identifier: BSD-3-Clause
//
// The limit on events, with a virtual clock: the cases of QEMU's test of it,
// and the corners in between.
#include "common/control/json.h"
#include "common/core/rate_limit.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

using Limit = resilience::RateLimit<std::string>;
using Strings = std::vector<std::string>;

/// A limiter in a world where time passes only by advance(), which wakes the
/// limiter whenever it asked for it.
class World {
public:
    void event(const std::string& key, const std::string& text)
    {
        if (auto passed = limit.offer(key, text, now)) {
            out.push_back(*passed);
        }
    }
    void advance(Limit::Duration by)
    {
        const auto target = now + by;
        while (limit.next_deadline() && *limit.next_deadline() <= target) {
            now = *limit.next_deadline();
            for (std::string& text : limit.take_due(now)) {
                out.push_back(std::move(text));
            }
        }
        now = target;
    }
    Strings seen() { return std::exchange(out, {}); }

    Limit limit;
    Limit::TimePoint now{1000h};
    Strings out;
};

}  // namespace

TEST_CASE("the cases of QEMU's own test, in its order")
{
    World world;
    INFO("1: the first event comes at once");
    world.event("img0", "10 a");
    world.advance(10ns);
    CHECK(world.seen() == Strings{"10 a"});

    INFO("2: more of them within the second do not");
    for (const char* text : {"10 b", "10 c", "10 d"}) {
        world.event("img0", text);
        world.advance(10ns);
    }
    CHECK(world.seen().empty());

    INFO("3: when it is over, one comes, and it is the newest");
    world.advance(2s);
    CHECK(world.seen() == Strings{"10 d"});

    INFO("4: far enough apart, each comes");
    for (const char* text : {"10 e", "10 f", "10 g"}) {
        world.event("img0", text);
        world.advance(2s);
        CHECK(world.seen() == Strings{text});
    }

    INFO("5: keys do not limit each other");
    for (const char* key : {"img0", "img1", "img2"}) {
        world.event(key, key);
        world.advance(10ns);
        CHECK(world.seen() == Strings{key});
    }
    world.advance(2s);

    INFO("6: nor do they with time in between");
    for (const char* key : {"img0", "img1", "img2"}) {
        world.event(key, key);
        world.advance(2s);
        CHECK(world.seen() == Strings{key});
    }

    INFO("7: nothing is left at the end");
    world.advance(10s);
    CHECK(world.seen().empty());
    CHECK_FALSE(world.limit.next_deadline());
}

TEST_CASE("a delayed event opens a new second")
{
    World world;
    world.event("k", "1");
    world.event("k", "2");
    world.advance(1s);
    CHECK(world.seen() == Strings{"1", "2"});
    world.event("k", "3");
    world.advance(1s - 1ns);
    CHECK(world.seen().empty());
    world.advance(1ns);
    CHECK(world.seen() == Strings{"3"});
}

TEST_CASE("a second is exactly a second")
{
    World world;
    world.event("k", "1");
    world.now += 1s - 1ns;  // nobody wakes the limiter
    world.event("k", "2");
    CHECK(world.seen() == Strings{"1"});
    world.now += 1ns;
    world.event("k", "3");
    CHECK(world.seen() == Strings{"3"});
}

TEST_CASE("with nobody to call take_due, a late event replaces the kept one")
{
    World world;
    world.event("k", "1");
    world.event("k", "2");
    world.now += 5s;
    world.event("k", "3");
    CHECK(world.seen() == Strings{"1", "3"});
    world.advance(10s);
    CHECK(world.seen().empty());
}

TEST_CASE("a late take_due opens the new second when it is called")
{
    Limit limit;
    const Limit::TimePoint start{1000h};
    CHECK(limit.offer("k", "1", start));
    CHECK_FALSE(limit.offer("k", "2", start + 1ms));
    CHECK(limit.take_due(start + 3s) == Strings{"2"});
    CHECK_FALSE(limit.offer("k", "3", start + 3s + 999ms));
    CHECK(*limit.next_deadline() == start + 4s);
}

TEST_CASE("several that are due come in the order of their seconds")
{
    World world;
    for (const char* key : {"z", "a", "m"}) {
        world.event(key, std::string(key) + "1");
        world.event(key, std::string(key) + "2");
        world.advance(1ms);
    }
    world.seen();
    world.now += 2s;
    CHECK(world.limit.take_due(world.now) == Strings{"z2", "a2", "m2"});
}

TEST_CASE("the next deadline is the earliest one, and keys are forgotten")
{
    World world;
    const auto start = world.now;
    CHECK_FALSE(world.limit.next_deadline());
    world.event("a", "1");
    world.advance(300ms);
    world.event("b", "1");
    CHECK(*world.limit.next_deadline() == start + 1s);
    world.advance(700ms);
    CHECK(*world.limit.next_deadline() == start + 1300ms);
    world.advance(300ms);
    CHECK_FALSE(world.limit.next_deadline());
}

TEST_CASE("the interval can be another one")
{
    Limit limit(10ms);
    const Limit::TimePoint start{1000h};
    CHECK(limit.offer("k", "1", start));
    CHECK_FALSE(limit.offer("k", "2", start + 9ms));
    CHECK(limit.offer("k", "3", start + 10ms));
}
