// SPDX-License-Identifier: BSD-3-Clause

// One row is all that a parameter needs: what it takes, what it refuses and what
// --help says of it.

#include "common/core/parameter_table.h"

#include <map>

#include <catch2/catch.hpp>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

enum class Colour : std::uint8_t { red, green, blue };

struct Disk {
    bool sync = true;
    std::string file;
    std::string name = "disk";
    std::uint64_t length = 64 << 10;
    std::optional<std::uint64_t> offset;
    std::uint32_t cluster = 4096;
    std::chrono::milliseconds patience{10000};
    Colour colour = Colour::green;
    std::map<std::string, std::string, std::less<>> parts;
    std::map<std::string, std::string, std::less<>> limits;
    ParameterTable table{"disk", "disk-"};

    Disk()
    {
        const auto into = [](auto& map) {
            return [&map](const Given& given) { map[std::string(given.label)] = given.value; };
        };
        table.add({
            {"disk-sync", takes::truth(sync), "Wait for it"},
            {"disk-file", takes::path(file), "Where it is"},
            {"disk-name", takes::name(name), "What it is called"},
            {"disk-length", takes::size(length), "How long"},
            {"disk-offset", takes::size(offset), "Where it begins"},
            {"disk-part.NAME", {"<TEXT>", "", into(parts), "this part"}, "A part"},
            {"disk-part.NAME.limit", {"<TEXT>", "", into(limits), ""}, "Its limit"},
            {"disk-part.NAME.colour", {"<TEXT>", "", into(limits), ""}, "Its colour"},
        });
        table.add({{"disk-cluster", takes::power_of_two(cluster, 512, 8192), "As a whole (default: a page)"},
                   {"disk-patience", takes::duration(patience), "How long to wait"}},
                  "Slow");
        table.add({{"disk-colour",
                    takes::choice(colour, {{"red", Colour::red}, {"green", Colour::green}}),
                    "To look at"}},
                  "Pretty");
    }

    bool set(std::string_view key, std::string_view value)
    {
        return table.set(key, value, "/home");
    }
};

}  // namespace

TEST_CASE("values are checked and stored; the last one holds")
{
    Disk disk;
    CHECK(disk.set("disk-sync", "no"));
    CHECK(disk.set("disk-file", "a/../b"));
    CHECK(disk.set("disk-length", "1M"));
    CHECK(disk.set("disk-length", "2M"));
    CHECK(disk.set("disk-offset", "512"));
    CHECK(disk.set("disk-cluster", "8k"));
    CHECK(disk.set("disk-patience", "500ms"));
    CHECK(disk.set("disk-colour", "red"));
    CHECK_FALSE(disk.sync);
    CHECK(disk.file == "/home/b");
    CHECK(disk.length == 2 << 20);
    CHECK(disk.offset == 512);
    CHECK(disk.cluster == 8192);
    CHECK(disk.patience == 500ms);
    CHECK(disk.colour == Colour::red);
}

TEST_CASE("what is wrong with a value is said as an error of the set-up")
{
    Disk disk;
    const auto refused = [&](std::string_view key, std::string_view value, const char* text) {
        CHECK_THROWS_WITH(disk.set(key, value), text);
        CHECK_THROWS_AS(disk.set(key, value), SetupError);
    };
    refused("disk-sync", "perhaps", "disk-sync=perhaps: expects true or false");
    refused("disk-colour", "blue", "disk-colour=blue: expects red or green");
    refused("disk-cluster", "3000",
            "disk-cluster=3000: expects a power of two from 512 to 8192 bytes");
    refused("disk-cluster", "16k",
            "disk-cluster=16k: expects a power of two from 512 to 8192 bytes");
    refused("disk-part.a/b", "x", "disk-part.a/b: 'a/b' is no name: use letters, digits, '-' and '_'");
    CHECK(disk.colour == Colour::green);
}

TEST_CASE("a name in a key is the label of the value")
{
    Disk disk;
    CHECK(disk.set("disk-part.a", "1"));
    CHECK(disk.set("disk-part.b", "2"));
    CHECK(disk.set("disk-part.a.limit", "3"));
    CHECK(disk.set("disk-part.a.limit", "4"));
    CHECK(disk.parts == std::map<std::string, std::string, std::less<>>{{"a", "1"}, {"b", "2"}});
    CHECK(disk.limits == std::map<std::string, std::string, std::less<>>{{"a", "4"}});
    CHECK_THROWS_WITH(disk.set("disk-part.a", "5"),
                      "disk-part.a=5: this part has been given already, as '1'");
}

TEST_CASE("unknown keys of the own prefix are refused, with what may have been meant")
{
    Disk disk;
    CHECK_FALSE(disk.set("file", "x"));
    CHECK_FALSE(disk.set("diskette", "x"));
    CHECK_THROWS_WITH(disk.set("disk-lenght", "1"),
                      "disk: unknown parameter 'disk-lenght'; did you mean 'disk-length'?");
    CHECK_THROWS_WITH(
        disk.set("disk-elephant", "1"),
        "disk: unknown parameter 'disk-elephant'; --help lists those that there are");
    CHECK_THROWS_WITH(disk.set("disk-part.a.size", "1"),
                      "disk: unknown parameter 'disk-part.a.size'; behind disk-part.NAME. stands "
                      "limit or colour");
}

TEST_CASE("it is known which part of the table was used")
{
    Disk disk;
    CHECK(disk.table.given_of("Slow").empty());
    disk.set("disk-patience", "1s");
    CHECK(disk.table.given_of("Slow") == "disk-patience");
    CHECK(disk.table.given_of("Pretty").empty());
}

TEST_CASE("the help has a line for each row, with the default")
{
    CHECK(Disk().table.help() ==
          "disk-sync=<BOOL>               Wait for it (default true).\n"
          "disk-file=<PATH>               Where it is.\n"
          "disk-name=<NAME>               What it is called (default disk).\n"
          "disk-length=<SIZE>             How long (default 64K).\n"
          "disk-offset=<SIZE>             Where it begins.\n"
          "disk-part.NAME=<TEXT>          A part.\n"
          "disk-part.NAME.limit=<TEXT>    Its limit.\n"
          "disk-part.NAME.colour=<TEXT>   Its colour.\n"
          "Slow:\n"
          "disk-cluster=<SIZE>            As a whole (default: a page).\n"
          "disk-patience=<T>              How long to wait (default 10s).\n"
          "Pretty:\n"
          "disk-colour=red|green          To look at (default green).");
}
