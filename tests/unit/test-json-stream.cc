// SPDX-License-Identifier: BSD-3-Clause
//
// How a stream of bytes is cut into messages.  Every case is also fed byte by
// byte, which must not make a difference.
#include "common/control/json_stream.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using resilience::JsonStream;
using resilience::StreamItem;
using resilience::StreamProblem;

namespace {

using Strings = std::vector<std::string>;

Strings names(const std::vector<StreamItem>& items)
{
    Strings result;
    for (const StreamItem& item : items) {
        switch (item.problem) {
        case StreamProblem::none:
            result.push_back(item.text);
            break;
        case StreamProblem::syntax:
            result.push_back("SYNTAX");
            break;
        case StreamProblem::too_deep:
            result.push_back("DEEP");
            break;
        case StreamProblem::too_many:
            result.push_back("MANY");
            break;
        case StreamProblem::too_long:
            result.push_back("LONG");
            break;
        }
    }
    return result;
}

Strings cut(const std::string& bytes, std::size_t limit = 1024 * 1024)
{
    std::vector<StreamItem> at_once;
    JsonStream one(limit);
    one.feed(bytes, at_once);
    one.finish(at_once);

    std::vector<StreamItem> bytewise;
    JsonStream other(limit);
    for (char byte : bytes) {
        other.feed({&byte, 1}, bytewise);
    }
    other.finish(bytewise);
    CHECK(names(at_once) == names(bytewise));
    return names(at_once);
}

}  // namespace

TEST_CASE("messages end where their brackets close, not where lines do")
{
    CHECK(cut("").empty());
    CHECK(cut(" \r\n\t").empty());
    CHECK(cut("{}") == Strings{"{}"});
    CHECK(cut("{}[]{\"a\":[{}]}\n") == Strings{"{}", "[]", "{\"a\":[{}]}"});
    CHECK(cut("{\"a\":\n[1,\n2]}\n{}") == Strings{"{\"a\":\n[1,\n2]}", "{}"});
}

TEST_CASE("brackets and quotes in strings do not count")
{
    CHECK(cut(R"({"a}":"]{\"}\\"}{})") == Strings{R"({"a}":"]{\"}\\"})", "{}"});
}

TEST_CASE("single quotes become double ones")
{
    CHECK(cut(R"({'a':'b"c\'d\n'})") == Strings{R"({"a":"b\"c'd\n"})"});
    CHECK(cut(R"({"a":"it's"})") == Strings{R"({"a":"it's"})"});
}

TEST_CASE("after garbage it goes on at the next line")
{
    CHECK(cut("garbage {}\n{}") == Strings{"SYNTAX", "{}"});
    CHECK(cut("5 6 \"x\"\n{}") == Strings{"SYNTAX", "{}"});
    CHECK(cut("{ ] {}\n{}") == Strings{"SYNTAX", "{}"});
    CHECK(cut("}{}\n{}") == Strings{"SYNTAX", "{}"});
    CHECK(cut("{} x\n{}") == Strings{"{}", "SYNTAX", "{}"});
}

TEST_CASE("a forgotten quote costs one line")
{
    CHECK(cut("{\"a: 1}\n{}") == Strings{"SYNTAX", "{}"});
    CHECK(cut("{\"a\\\n{}") == Strings{"SYNTAX", "{}"});
}

TEST_CASE("bytes that JSON does not have")
{
    using namespace std::string_literals;
    CHECK(cut("\0{}\n{}"s) == Strings{"SYNTAX", "{}"});
    CHECK(cut("{\0}\n{}"s) == Strings{"SYNTAX", "{}"});
    CHECK(cut("{\"\0\"}\n{}"s) == Strings{"SYNTAX", "{}"});
    CHECK(cut("{\x80}\n{}"s) == Strings{"SYNTAX", "{}"});
}

TEST_CASE("0xff discards what was begun")
{
    CHECK(cut("\xff{}") == Strings{"{}"});
    CHECK(cut("{\"a\":\xff{}") == Strings{"SYNTAX", "{}"});
    CHECK(cut("{\"a\xff{}") == Strings{"SYNTAX", "{}"});
    CHECK(cut("garbage\xff{}") == Strings{"SYNTAX", "{}"});
}

TEST_CASE("a message that the end of the stream cuts off")
{
    CHECK(cut("{\"a\":1") == Strings{"SYNTAX"});
    CHECK(cut("{\"a") == Strings{"SYNTAX"});
    CHECK(cut("garbage") == Strings{"SYNTAX"});
}

TEST_CASE("length has a limit, exactly")
{
    CHECK(cut("{\"a\":12345}", 11) == Strings{"{\"a\":12345}"});
    CHECK(cut("{\"a\":123456}\n{}", 11) == Strings{"LONG"});
    CHECK(cut("{} {} {} {} {} {} {}", 2).size() == 7);
    std::vector<StreamItem> items;
    JsonStream stream(11);
    stream.feed("{           }", items);
    REQUIRE(items.size() == 1);
    CHECK(items[0].text == "The message is longer than 11 bytes, which is the limit; "
                           "the connection is closed");
}

TEST_CASE("depth has a limit, exactly")
{
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    CHECK(cut(nested(100)) == Strings{nested(100)});
    CHECK(cut(nested(101) + "\n{}") == Strings{"DEEP", "{}"});
    CHECK(cut(nested(1000000) + "\n{}") == Strings{"DEEP", "{}"});
}

TEST_CASE("the number of members has a limit, exactly")
{
    const auto list = [](std::size_t n) {
        std::string text = "[0";
        for (std::size_t i = 1; i < n; ++i) {
            text += ",0";
        }
        return text + "]";
    };
    CHECK(cut(list(10000)) == Strings{list(10000)});
    CHECK(cut(list(10001) + "\n{}") == Strings{"MANY", "{}"});
    CHECK(cut("{\"a\":\"" + std::string(20000, ',') + "\"}").size() == 1);
}
