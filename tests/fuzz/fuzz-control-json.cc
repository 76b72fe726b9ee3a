// SPDX-License-Identifier: BSD-3-Clause
//
// A fuzz target (libFuzzer): any bytes from a control client, from the cutting
// of the stream to the table of commands, must give replies that are JSON.
//
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I.
//       tests/fuzz/fuzz-control-json.cc common/control/{json,json_stream}.cc
//       common/control/{command_table,qmp}.cc -lfmt -o fuzz-control-json
//   ./fuzz-control-json -max_total_time=60 CORPUS tests/fuzz/control-json
//
// (the first three lines are one).  make check runs it on the files of
// tests/fuzz/control-json, see replay.cc.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "common/control/json.h"
#include "common/control/qmp.h"

using namespace resilience;

namespace {

/// Commands whose arguments come back, so that they are printed too.
class Table : public CommandTable {
public:
    Table()
    {
        add("e", "Return the arguments",
            {{"s", ArgumentType::string, true, ""},
             {"i", ArgumentType::integer, false, ""},
             {"n", ArgumentType::number, false, ""},
             {"b", ArgumentType::boolean, false, ""},
             {"a", ArgumentType::any, false, ""}},
            [](const Json& arguments) { return arguments; });
    }
};

void require(bool condition)
{
    if (!condition) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const Table table;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    JsonStream stream(4096);  // small, so that its limit is met
    QmpSession session(table);
    session.answer({StreamProblem::none, R"({"execute":"qmp_capabilities"})"});

    // In two pieces, split at a place that the input decides on.
    const std::size_t middle = size == 0 ? 0 : data[0] % (size + 1);
    std::vector<StreamItem> items;
    stream.feed(bytes.substr(0, middle), items);
    stream.feed(bytes.substr(middle), items);
    stream.finish(items);
    require(items.size() <= size);

    for (const StreamItem& item : items) {
        const std::optional<Json> reply = parse_json(session.answer(item));
        require(reply && reply->is_object());
        require(reply->contains("return") != reply->contains("error"));
    }
    return 0;
}
