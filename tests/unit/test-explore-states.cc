// SPDX-License-Identifier: BSD-3-Clause
//
// Which states nbdcrash explore looks at.
#include "tools/nbdcrash/explore/enumerate.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/device_test.h"
#include "tests/unit/log_builder.h"
#include "tools/nbdcrash/explore/tears.h"

using namespace log_test;
using namespace resilience::nbdcrash;

namespace {

LogIndex index_of(const LogBuilder& builder)
{
    const device_test::TemporaryFolder folder("/tmp");
    write_file(folder / "log", builder.bytes());
    return LogIndex::scan(LogFile(folder / "log"));
}

StateOptions options_for(const LogIndex& index)
{
    StateOptions options;
    options.to = index.size();
    return options;
}

std::vector<std::string> states_of(const LogIndex& index, const StateOptions& options)
{
    std::vector<std::string> names;
    Enumerator enumerator(index, options);
    while (const auto state = enumerator.next()) {
        names.push_back(to_string(index, *state));
        // Only what the grammar allows.
        REQUIRE(resolve_state(index, names.back()) == *state);
    }
    REQUIRE(names.size() == count_states(index, options));
    return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name)
{
    return std::ranges::find(names, name) != names.end();
}

// 0 write   1 write   2 flush   3 write   4 write FUA   5 write   6 flush   7 write
LogIndex sample()
{
    LogBuilder log;
    return index_of(log.write(0, 1, 1).write(1, 1, 2).flush().write(2, 1, 3)
                        .write(3, 1, 4, flag_fua).write(4, 1, 5).flush().write(5, 1, 6));
}

LogIndex long_epoch(unsigned writes)
{
    LogBuilder log;
    for (unsigned i = 0; i < writes; i++) {
        log.write(i * 8, 8, static_cast<unsigned char>(i + 1));
    }
    return index_of(log.flush());
}

}  // namespace

TEST_CASE("flush and fua are the moments after each of them")
{
    const LogIndex index = sample();
    StateOptions options = options_for(index);
    options.flush = true;
    CHECK(states_of(index, options) == std::vector<std::string>{"flush:1", "flush:2"});
    options.fua = true;
    CHECK(states_of(index, options).size() == 3);
}

TEST_CASE("prefix is the beginning, and the moment after each change")
{
    const LogIndex index = sample();
    StateOptions options = options_for(index);
    options.prefix = true;
    CHECK(states_of(index, options) ==
          std::vector<std::string>{"0", "1", "2", "4", "5", "6", "end"});
}

TEST_CASE("subset has every subset of what is not durable, and no other")
{
    const LogIndex index = sample();
    StateOptions options = options_for(index);
    options.subset = true;
    const auto states = states_of(index, options);
    // e0: 2 writes.  Before the FUA write is done: 1.  e1: 2, the FUA one is
    // there.  The end: 1.
    CHECK(states.size() == 4 + 2 + 4 + 2);
    CHECK(contains(states, "e0:drop=0"));
    CHECK(contains(states, "4:keep="));
    CHECK(contains(states, "e1:keep="));
    CHECK(std::set(states.begin(), states.end()).size() == states.size());
}

TEST_CASE("what is before --from is there, whole, and nothing is after --to")
{
    const LogIndex index = sample();
    StateOptions options = options_for(index);
    options.prefix = options.subset = options.torn = options.flush = options.fua = true;
    options.from = 1;
    options.to = 6;
    for (const std::string& name : states_of(index, options)) {
        const State state = resolve_state(index, name);
        CHECK(state.entries >= 1);
        CHECK(state.entries <= 6);
        CHECK((state.dropped.empty() || state.dropped.front() >= 1));
    }
}

TEST_CASE("above the bound, subsets are prefixes, single ones, and random ones")
{
    const LogIndex index = long_epoch(100);
    StateOptions options = options_for(index);
    options.subset = true;
    const auto states = states_of(index, options);
    // Nothing and all missing, 100 prefixes, 100 with one missing, 100 with one
    // alone, 64 at random; and, after the flush, the end.
    CHECK(states.size() == 2 + 100 + 100 + 100 + 64 + 1);
    CHECK(contains(states, "e0:drop=17"));
    CHECK(contains(states, "e0:keep=99"));
    CHECK(contains(states, "18"));
    options.exhaustive = 0;
    options.random = 0;
    CHECK(states_of(index, options).size() == 303);
}

TEST_CASE("the same seed gives the same list, another seed another one")
{
    const LogIndex index = long_epoch(30);
    StateOptions options = options_for(index);
    options.subset = options.torn = true;
    const auto one = states_of(index, options);
    CHECK(states_of(index, options) == one);
    options.seed = 2;
    const auto two = states_of(index, options);
    CHECK(two != one);
    CHECK(two.size() > 200);
}

TEST_CASE("what is drawn at random is the same on every machine")
{
    const LogIndex index = long_epoch(9);
    StateOptions options = options_for(index);
    options.subset = true;
    options.random = 4;
    auto states = states_of(index, options);
    states.resize(24);
    states.erase(states.begin(), states.begin() + 20);
    CHECK(states == std::vector<std::string>{"e0:drop=6,8", "5:keep=", "e0:keep=2", "3:keep="});
}

TEST_CASE("torn finds each sector of a write of two, with and without what follows")
{
    LogBuilder log;
    const LogIndex index = index_of(log.write(0, 2, 1).write(8, 1, 2).flush());
    StateOptions options = options_for(index);
    options.torn = true;
    const auto states = states_of(index, options);
    for (const char* name : {"e0:torn=0:0", "e0:torn=0:1", "1:torn=0:0", "1:torn=0:1"}) {
        CHECK(contains(states, name));
    }
    options.tear = 1024;  // a write of two sectors in one unit
    CHECK(states_of(index, options).empty());
}

TEST_CASE("a FUA write in flight can be torn, with and without what came before")
{
    LogBuilder log;
    const LogIndex index =
        index_of(log.write(0, 1, 1).write(8, 2, 2, flag_fua).write(16, 1, 3).flush());
    StateOptions options = options_for(index);
    options.torn = true;
    const auto states = states_of(index, options);
    for (const char* name : {"2:torn=1:0", "2:torn=1:1", "2:keep=:torn=1:0", "2:keep=:torn=1:1"}) {
        INFO(name);
        CHECK(contains(states, name));
    }
    CHECK(!contains(states, "3:torn=1:0"));  // it was done when entry 2 came
    options.tear = 1024;
    CHECK(states_of(index, options).empty());
}

TEST_CASE("what overlaps with a flush is shown before the flush is done")
{
    // 0 write   1 flush   2 write, while the flush was under way   3 write, after it
    LogBuilder log;
    const LogIndex index =
        index_of(log.extended().at(1, 2).write(0, 1, 1).at(3, 6).flush().at(4, 5).write(1, 1, 2)
                     .at(7, 8).write(2, 1, 3));
    StateOptions options = options_for(index);
    options.subset = true;
    const auto states = states_of(index, options);
    CHECK(contains(states, "3:drop=0"));     // what was to come later, alone
    CHECK(contains(states, "e0:keep="));
    CHECK(contains(states, "e1:drop=2"));
    CHECK(!contains(states, "e1:drop=0"));  // entry 3 waited for the flush
    // In a log without the extension nobody knows.
    const LogIndex plain = index_of(LogBuilder().write(0, 1, 1).flush().write(1, 1, 2)
                                        .write(2, 1, 3));
    CHECK(!contains(states_of(plain, options), "3:drop=0"));
    options.from = 1;
    CHECK(!contains(states_of(index, options), "3:drop=0"));
}

TEST_CASE("units of a tear are those of the device, not of the write")
{
    Record record;
    record.sector = 7;
    record.sectors = 10;
    const TearUnits units(record, 512, 4096);  // 7 | 8 to 15 | 16
    REQUIRE(units.count() == 3);
    CHECK(units.sectors({0}) == std::vector<std::uint64_t>{0});
    CHECK(units.sectors({1}).size() == 8);
    CHECK(units.sectors({0, 2}) == std::vector<std::uint64_t>{0, 9});
    CHECK(units.usual(4).size() == 6);
    CHECK(TearUnits(record, 512, 512).usual(4).size() == 6);
}

TEST_CASE("a tear at random is neither nothing nor all")
{
    Record record;
    record.sectors = 2;
    const TearUnits units(record, 512, 512);
    std::mt19937_64 generator(1);
    for (int i = 0; i < 100; i++) {
        CHECK(units.random(generator).size() == 1);
    }
}

TEST_CASE("an epoch of ten thousand writes is listed without trouble")
{
    const LogIndex index = long_epoch(10'000);
    StateOptions options = options_for(index);
    options.subset = true;
    Enumerator enumerator(index, options);
    std::uint64_t count = 0;
    while (count < 20'500 && enumerator.next()) {
        count++;
    }
    CHECK(count == 20'500);
}
