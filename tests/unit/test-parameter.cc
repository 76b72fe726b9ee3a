// SPDX-License-Identifier: BSD-3-Clause

// Values of parameters: never truncated, never guessed.

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "common/core/parameter.h"

using namespace resilience;
using namespace std::chrono_literals;

TEST_CASE("truth values are nbdkit's words")
{
    for (const char* yes : {"true", "T", "yes", "Y", "ON", "1"}) {
        CHECK(parse_bool("key", yes));
    }
    for (const char* no : {"false", "F", "no", "n", "Off", "0"}) {
        CHECK_FALSE(parse_bool("key", no));
    }
    for (const char* bad : {"", "2", "truee", "tru", " true", "10"}) {
        CHECK_THROWS_WITH(parse_bool("key", bad),
                          "key=" + std::string(bad) + ": expects true or false");
    }
}

TEST_CASE("integers are decimal, whole and in their range")
{
    CHECK(parse_integer("key", "1", 1, 3) == 1);
    CHECK(parse_integer("key", "3", 1, 3) == 3);
    CHECK(parse_integer("key", "18446744073709551615", 0, ~0ULL) == ~0ULL);
    CHECK_THROWS_WITH(parse_integer("key", "0", 1, 3), "key=0: expects a value >= 1");
    CHECK_THROWS_WITH(parse_integer("key", "4", 1, 3), "key=4: expects a value <= 3");
    for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "18446744073709551616"}) {
        CHECK_THROWS_WITH(parse_integer("key", bad, 1, 3),
                          "key=" + std::string(bad) + ": expects an integer from 1 to 3");
    }
}

TEST_CASE("sizes have the suffixes of nbdkit, and fit 63 bits")
{
    CHECK(parse_size("key", "0") == 0);
    CHECK(parse_size("key", "7b") == 7);
    CHECK(parse_size("key", "7k") == 7 << 10);
    CHECK(parse_size("key", "7K") == 7 << 10);
    CHECK(parse_size("key", "7M") == 7 << 20);
    CHECK(parse_size("key", "7G") == 7ULL << 30);
    CHECK(parse_size("key", "7T") == 7ULL << 40);
    CHECK(parse_size("key", "9223372036854775807") == (1ULL << 63) - 1);
    CHECK(parse_size("key", "8388607T") == 8388607ULL << 40);
    for (const char* bad : {"", "k", "-1", "1kk", "1kb", "1.5G", "1 k", "1x", "8388608T",
                            "9223372036854775808", "99999999999999999999"}) {
        CHECK_THROWS_AS(parse_size("key", bad), std::invalid_argument);
    }
}

TEST_CASE("times are seconds, unless they say other")
{
    const auto parse = [](const char* text) { return parse_duration("key", text, 10ms, 3600s); };
    CHECK(parse("10") == 10s);
    CHECK(parse("10s") == 10s);
    CHECK(parse("10ms") == 10ms);
    CHECK(parse("2m") == 2min);
    CHECK(parse("3600") == 3600s);
    for (const char* bad : {"", "s", "0", "9ms", "3601", "61m", "1h", "1.5s", "-1s", "1 s",
                            "18446744073709551615", "307445734561825861m"}) {
        CHECK_THROWS_WITH(parse(bad), "key=" + std::string(bad) +
                                          ": expects a time from 10 ms to 3600 s, such as 10s, "
                                          "500ms or 2m (seconds without a suffix)");
    }
}

TEST_CASE("shares are a number from 0 to 1, or percent")
{
    CHECK(parse_share("key", "0") == 0);
    CHECK(parse_share("key", "1") == 1);
    CHECK(parse_share("key", "0.25") == 0.25);
    CHECK(parse_share("key", "25%") == 0.25);
    CHECK(parse_share("key", "0.5%") == 0.005);
    CHECK(parse_share("key", "100%") == 1);
    for (const char* bad : {"", "%", ".", "-1", "1.1", "101%", "0.1.2", "1e-3", "nan", "inf", " 1",
                            "1 ", "50%%", "half"}) {
        CHECK_THROWS_WITH(parse_share("key", bad),
                          "key=" + std::string(bad) +
                              ": expects a share from 0 to 1, or from 0% to 100%");
    }
}

TEST_CASE("names are letters, digits, '-' and '_'")
{
    for (const char* good : {"a", "Disk-1_b", "0"}) {
        CHECK(parse_name("key", good) == good);
    }
    for (const char* bad : {"", "a b", "a.b", "a/b", "\xc3\xa4"}) {
        CHECK_THROWS_WITH(parse_name("key", bad),
                          "key=" + std::string(bad) + ": expects letters, digits, '-' and '_'");
    }
}

TEST_CASE("a relative path is of the folder that the server was started in")
{
    CHECK(parse_path("key", "a/b", "/home") == "/home/a/b");
    CHECK(parse_path("key", "../x/./y", "/home") == "/x/y");
    CHECK(parse_path("key", "/run/a", "/home") == "/run/a");
    CHECK_THROWS_WITH(parse_path("key", "", "/home"), "key=: expects a path");
}

TEST_CASE("a name that is nearly right leads to the one that was meant")
{
    const std::vector<std::string> known{"mark", "query-status", "resync-start", "resync-stop"};
    CHECK(closest_name("mrak", known) == "mark");
    CHECK(closest_name("query-stat", known) == "query-status");
    CHECK(closest_name("query_status", known) == "query-status");
    CHECK(closest_name("resync-strt", known) == "resync-start");
    CHECK(closest_name("resync-sto", known) == "resync-stop");
    CHECK(closest_name("mark", known) == "mark");
    // Of two that are equally near, the first.
    CHECK(closest_name("resync-st", std::vector<std::string>{"resync-str", "resync-sto"}) ==
          "resync-str");
}

TEST_CASE("a name that is far from all leads nowhere")
{
    const std::vector<std::string> known{"mark", "query-status"};
    for (const char* far : {"", "x", "ma", "mop", "status", "query-sta", "marker-of"}) {
        INFO(far);
        CHECK(closest_name(far, known).empty());
    }
    CHECK(closest_name("mark", {}).empty());
}
