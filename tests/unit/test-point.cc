// SPDX-License-Identifier: BSD-3-Clause
//
// The names of points and states.
#include "common/replay/point.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "tests/unit/device_test.h"
#include "tests/unit/log_builder.h"
#include "tests/unit/seed.h"

using namespace log_test;
using Catch::Matchers::Contains;
using Numbers = std::vector<std::uint64_t>;

namespace {

LogIndex index_of(const LogBuilder& builder)
{
    const device_test::TemporaryFolder folder("/tmp");
    write_file(folder / "log", builder.bytes());
    return LogIndex::scan(LogFile(folder / "log"));
}

// 0 write   1 FUA write, in flight until 2 is done   2 write   3 write
LogIndex overlapping_fua()
{
    LogBuilder log;
    return index_of(log.extended().at(1, 2).write(0, 1, 1).at(3, 6).write(1, 2, 2, flag_fua)
                        .at(4, 7).write(3, 1, 3).at(8, 9).write(4, 1, 4));
}

// 0 write   1 flush, in flight until 2 and 3 are done   2 write   3 FUA write   4 mark
// 5 write
LogIndex overlapping_flush()
{
    LogBuilder log;
    return index_of(log.extended().at(1, 2).write(0, 1, 1).at(3, 8).flush()
                        .at(4, 5).write(1, 1, 2).at(6, 7).write(2, 1, 3, flag_fua)
                        .at(9, 10).mark("answered").at(11, 12).write(3, 1, 4));
}

// 0 mark a   1 write   2 write FUA   3 flush   4 write x4   5 mark b   6 discard   7 write
// 8 flush    9 mark b  10 write      11 mark x:drop=1
LogIndex sample()
{
    LogBuilder log;
    return index_of(log.mark("a").write(0, 1, 1).write(1, 1, 2, flag_fua).flush().write(4, 4, 3)
                        .mark("b").discard(8, 2).write(9, 2, 4).flush().mark("b").write(0, 1, 5)
                        .mark("x:drop=1"));
}

}  // namespace

TEST_CASE("points have their numbers")
{
    const LogIndex index = sample();
    for (const auto& [name, entries] : std::vector<std::pair<std::string, std::uint64_t>>{
             {"0", 0}, {"5", 5}, {"12", 12}, {"end", 12}, {"mark:a", 0}, {"mark:b", 5},
             {"mark:b#1", 5}, {"mark:b#2", 9}, {"flush:1", 4}, {"flush:2", 9}, {"fua:1", 3},
             {"e0", 3}, {"e1", 8}, {"e2", 12}, {"mark:x:drop=1", 11}}) {
        INFO(name);
        CHECK(resolve_point(index, name) == entries);
        CHECK(resolve_state(index, name) == State{entries, {}, {}});
    }
}

TEST_CASE("points that are not there say what is")
{
    const LogIndex index = sample();
    for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
             {"13", "this log has 12 entries"}, {"", "names no point"}, {"foo", "flush:K"},
             {"-1", "names no point"}, {"1x", "names no point"}, {"mark:c", "this log has: a, b"},
             {"mark:b#3", "2 times"}, {"mark:b#0", "2 times"}, {"flush:0", "1 to 2"},
             {"flush:3", "1 to 2"}, {"flush:x", "1 to 2"}, {"fua:2", "1 to 1"},
             {"e3", "e0 to e2"}, {"flush:99999999999999999999", "1 to 2"}, {"mark:", "no mark ''"}}) {
        INFO(name);
        CHECK_THROWS_WITH(resolve_point(index, name), Contains(text));
    }
    CHECK_THROWS_WITH(resolve_point(index_of(LogBuilder().write(0, 1, 1)), "flush:1"),
                      Contains("no flush entries"));
}

TEST_CASE("what is volatile is what no flush and no FUA covers")
{
    const LogIndex index = sample();
    CHECK(volatile_entries(index, 0) == Numbers{});
    CHECK(volatile_entries(index, 3) == Numbers{1});
    CHECK(volatile_entries(index, 4) == Numbers{});
    CHECK(volatile_entries(index, 8) == Numbers{4, 6, 7});
    CHECK(volatile_entries(index, 9) == Numbers{});
    CHECK(volatile_entries(index, 12) == Numbers{10});
    // The data of a preflush are not covered by it.
    const LogIndex preflush = index_of(LogBuilder().write(0, 1, 1).write(1, 1, 2, flag_flush)
                                           .write(2, 1, 3));
    CHECK(volatile_entries(preflush, 3) == Numbers{1, 2});
}

TEST_CASE("states say which entries are missing, and which are torn")
{
    const LogIndex index = sample();
    CHECK(resolve_state(index, "e1:drop=4,7") == State{8, {4, 7}, {}});
    CHECK(resolve_state(index, "e1:keep=6") == State{8, {4, 7}, {}});
    CHECK(resolve_state(index, "e1:keep=") == State{8, {4, 6, 7}, {}});
    CHECK(resolve_state(index, "8:drop=7,4,7") == State{8, {4, 7}, {}});
    CHECK(resolve_state(index, "e1:torn=4:0") == State{8, {}, {{4, {0}}}});
    CHECK(resolve_state(index, "e1:torn=7:1,4:0+2-3") == State{8, {}, {{4, {0, 2, 3}}, {7, {1}}}});
    CHECK(resolve_state(index, "e1:drop=6:torn=4:3") == State{8, {6}, {{4, {3}}}});
    CHECK(resolve_state(index, "e1:keep=6:torn=4:3") == State{8, {7}, {{4, {3}}}});
    CHECK(resolve_state(index, "mark:b:drop=4") == State{5, {4}, {}});
    CHECK(resolve_state(index, "end:drop=10") == State{12, {10}, {}});
}

TEST_CASE("states that cannot be say why")
{
    const LogIndex index = sample();
    for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
             {"e1:drop=3", "entry 3 cannot be missing: it changes nothing"},
             {"e1:drop=5", "it is a mark"}, {"e1:drop=1", "a flush after it"},
             {"4:drop=2", "it is FUA"}, {"e1:drop=8", "is not done"}, {"e1:drop=", "no number"},
             {"e1:drop=x", "'x' is no number"}, {"e1:drop=4:keep=6", "not both"},
             {"e1:torn=4", "ENTRY:SECTORS"}, {"e1:torn=4:4", "which has 0 to 3"},
             {"e1:torn=4:", "no sectors"}, {"e1:torn=4:3-1", "no sectors"},
             {"e1:torn=4:0,4:1", "torn twice"}, {"e1:drop=4:torn=4:0", "both dropped and torn"},
             {"flush:2:drop=4", "in this state no entry can be missing"},
             {"e1:lost=4", ":drop=, :keep= or :torn="}, {"e1:drop=4;keep=6", "no number"}}) {
        INFO(name);
        CHECK_THROWS_WITH(resolve_state(index, name), Contains(text));
    }
}

TEST_CASE("a write that was answered while a flush was under way is not covered by it")
{
    const LogIndex index = index_of(LogBuilder().extended().at(1, 2).write(0, 1, 1)
                                        .at(3, 6).write(1, 1, 2).at(4, 7).flush()
                                        .at(8, 9).write(2, 1, 3));
    CHECK(volatile_entries(index, 3) == Numbers{1});
    CHECK(volatile_entries(index, 4) == Numbers{1, 3});
    CHECK(resolve_state(index, "end:keep=3") == State{4, {1}, {}});
}

TEST_CASE("a FUA write that nothing came after may be in flight")
{
    // Without the extension: only the last entry.
    const LogIndex plain = sample();
    CHECK(in_flight_entries(plain, 3) == Numbers{2});
    CHECK(in_flight_entries(plain, 2) == Numbers{});
    CHECK(in_flight_entries(plain, 5) == Numbers{});
    CHECK(resolve_state(plain, "3:drop=2") == State{3, {2}, {}});
    CHECK(resolve_state(plain, "3:drop=1,2") == State{3, {1, 2}, {}});
    CHECK(resolve_state(plain, "3:keep=") == State{3, {1}, {}});  // as ever
    CHECK(to_string(plain, {3, {1, 2}, {}}) == "e0:drop=1,2");
    CHECK(to_string(plain, {3, {}, {{2, {0}}}}) == "e0:torn=2:0");
    CHECK_THROWS_WITH(resolve_state(plain, "5:drop=2"), Contains("cannot be missing"));
    // With it: as long as all that is there was issued before it was done.
    const LogIndex index = overlapping_fua();
    CHECK(in_flight_entries(index, 2) == Numbers{1});
    CHECK(in_flight_entries(index, 3) == Numbers{1});
    CHECK(in_flight_entries(index, 4) == Numbers{});
    CHECK(resolve_state(index, "3:torn=1:1") == State{3, {}, {{1, {1}}}});
    CHECK_THROWS_WITH(resolve_state(index, "end:torn=1:1"), Contains("it is FUA"));
}

TEST_CASE("what came while a flush was under way can be there without what it covers")
{
    const LogIndex index = overlapping_flush();
    CHECK(in_flight_entries(index, 2) == Numbers{});  // behind a flush that is done
    CHECK(in_flight_entries(index, 3) == Numbers{0});
    CHECK(in_flight_entries(index, 4) == Numbers{0, 3});
    // Who sets a mark has seen the answer.
    CHECK(in_flight_entries(index, 5) == Numbers{});
    CHECK(in_flight_entries(index, 6) == Numbers{});
    CHECK(resolve_state(index, "3:drop=0") == State{3, {0}, {}});
    CHECK(resolve_state(index, "3:keep=") == State{3, {2}, {}});  // as ever
    CHECK(resolve_state(index, "4:drop=0:torn=3:0") == State{4, {0}, {{3, {0}}}});
    CHECK_THROWS_WITH(resolve_state(index, "5:drop=0"), Contains("a flush after it"));
    for (const State& state : {State{3, {0}, {}}, State{3, {0, 2}, {}}, State{4, {0, 2, 3}, {}}}) {
        INFO(to_string(index, state));
        CHECK(resolve_state(index, to_string(index, state)) == state);
    }
}

TEST_CASE("the text of a state names it again")
{
    const LogIndex index = sample();
    CHECK(to_string(index, {12, {}, {}}) == "end");
    CHECK(to_string(index, {9, {}, {}}) == "flush:2");
    CHECK(to_string(index, {8, {4}, {}}) == "e1:drop=4");
    CHECK(to_string(index, {8, {4, 7}, {}}) == "e1:keep=6");
    CHECK(to_string(index, {8, {6}, {{4, {0, 1, 3}}}}) == "e1:drop=6:torn=4:0-1+3");
    CHECK(to_string(index, {5, {4}, {}}) == "5:keep=");

    resilience::test::Random random;
    for (int round = 0; round < 500; round++) {
        State state;
        state.entries = random.between(0, index.size());
        for (const std::uint64_t entry : volatile_entries(index, state.entries)) {
            if (random.one_in(3)) {
                state.dropped.push_back(entry);
            } else if (random.one_in(2)) {
                state.torn.push_back({entry, {random.between(0, index[entry].sectors - 1)}});
            }
        }
        INFO(to_string(index, state));
        CHECK(resolve_state(index, to_string(index, state)) == state);
    }
}
