// SPDX-License-Identifier: BSD-3-Clause
//
// What a command table refuses, and in which words; QMP's part of the
// conversation; JSON that is out of the ordinary.
#include "common/control/command_table.h"

#include <catch2/catch.hpp>

#include <stdexcept>
#include <string>

#include "common/control/json.h"
#include "common/control/qmp.h"

using resilience::Argument;
using resilience::ArgumentType;
using resilience::CommandError;
using resilience::CommandTable;
using resilience::Json;
using resilience::QmpSession;
using resilience::StreamProblem;

namespace {

class Table : public CommandTable {
public:
    Table()
    {
        add("all", "Take one of each",
            {{"s", ArgumentType::string, true, "a text"},
             {"i", ArgumentType::integer, false, "an integer"},
             {"b", ArgumentType::boolean, false, "a truth"},
             {"n", ArgumentType::number, false, "a number"},
             {"a", ArgumentType::any, false, "anything"}},
            [](const Json& arguments) { return arguments; });
        add("refuse", "Refuse", {},
            [](const Json&) -> Json { throw CommandError("no way", "DeviceNotFound"); });
        add("break", "Throw", {},
            [](const Json&) -> Json { throw std::runtime_error("broken"); });
        add("shatter", "Throw something odd", {}, [](const Json&) -> Json { throw 5; });
        add("bytes", "Return what is not UTF-8", {},
            [](const Json&) -> Json { return "a\xff\xc3z"; });
    }
};

/// The text of the error that a command ends with, as "class: desc".
std::string error_of(const CommandTable& table, const std::string& name, const Json& arguments)
{
    try {
        table.execute(name, arguments);
    } catch (const CommandError& error) {
        return error.error_class() + ": " + error.what();
    }
    return "no error";
}

/// A conversation after its negotiation.
class Session {
public:
    explicit Session(bool negotiated = true)
    {
        if (negotiated) {
            say(R"({"execute":"qmp_capabilities"})");
        }
    }
    std::string say(const std::string& text)
    {
        return session_.answer({StreamProblem::none, text});
    }
    std::string error(const std::string& text)
    {
        const Json reply = Json::parse(say(text));
        return reply.at("error").at("class").get<std::string>() + ": " +
               reply.at("error").at("desc").get<std::string>();
    }

private:
    Table table_;
    QmpSession session_{table_};
};

}  // namespace

TEST_CASE("arguments of the right types reach the handler")
{
    const Table table;
    const Json all = {{"s", "x"}, {"i", -5}, {"b", true}, {"n", 2.5}, {"a", {1, nullptr}}};
    CHECK(table.execute("all", all) == all);
    CHECK(table.execute("all", {{"s", ""}}) == Json{{"s", ""}});
    CHECK(table.execute("all", {{"s", ""}, {"n", 3}}).at("n") == 3);
    CHECK(table.execute("all", {{"s", ""}, {"i", UINT64_MAX}}).at("i") == UINT64_MAX);
}

TEST_CASE("what arguments can have wrong, in QEMU's words")
{
    const Table table;
    CHECK(error_of(table, "all", Json::object()) == "GenericError: Parameter 's' is missing");
    CHECK(error_of(table, "all", nullptr) == "GenericError: Parameter 's' is missing");
    CHECK(error_of(table, "all", {{"s", "x"}, {"zz", 1}}) ==
          "GenericError: Parameter 'zz' is unexpected");
    CHECK(error_of(table, "all", {{"s", 5}}) ==
          "GenericError: Invalid parameter type for 's', expected: string");
    CHECK(error_of(table, "all", {{"s", nullptr}}) ==
          "GenericError: Invalid parameter type for 's', expected: string");
    for (const Json& bad : {Json("1"), Json(1.0), Json(1e30), Json(true), Json(nullptr)}) {
        CHECK(error_of(table, "all", {{"s", "x"}, {"i", bad}}) ==
              "GenericError: Invalid parameter type for 'i', expected: integer");
    }
    CHECK(error_of(table, "all", {{"s", "x"}, {"b", 1}}) ==
          "GenericError: Invalid parameter type for 'b', expected: boolean");
    CHECK(error_of(table, "all", {{"s", "x"}, {"n", "1"}}) ==
          "GenericError: Invalid parameter type for 'n', expected: number");
    CHECK(error_of(table, "all", Json::array()) ==
          "GenericError: QMP input member 'arguments' must be an object");
}

TEST_CASE("an unknown command")
{
    CHECK(error_of(Table(), "zzz", {}) ==
          "CommandNotFound: The command zzz has not been found");
}

TEST_CASE("whatever a handler throws becomes an error of the command")
{
    const Table table;
    CHECK(error_of(table, "refuse", {}) == "DeviceNotFound: no way");
    CHECK(error_of(table, "break", {}) == "GenericError: broken");
    CHECK(error_of(table, "shatter", {}) == "GenericError: The command shatter has failed");
}

TEST_CASE("a name can be used once")
{
    Table table;
    CHECK_THROWS_AS(table.add("all", "", {}, {}), std::logic_error);
    CHECK_THROWS_AS(table.add("query-commands", "", {}, {}), std::logic_error);
}

TEST_CASE("query-commands describes every command")
{
    const Table table;
    const Json list = table.execute("query-commands", {});
    std::vector<std::string> names;
    for (const Json& command : list) {
        names.push_back(command.at("name"));
    }
    CHECK(names == std::vector<std::string>{"all", "break", "bytes", "query-commands",
                                            "query-version", "refuse", "shatter"});
    CHECK(list[0] == Json::parse(R"({"name": "all", "help": "Take one of each", "arguments": [
        {"name": "s", "type": "string", "required": true, "help": "a text"},
        {"name": "i", "type": "integer", "required": false, "help": "an integer"},
        {"name": "b", "type": "boolean", "required": false, "help": "a truth"},
        {"name": "n", "type": "number", "required": false, "help": "a number"},
        {"name": "a", "type": "any", "required": false, "help": "anything"}]})"));
}

TEST_CASE("query-version has the members that QMP's clients look for")
{
    const Json version = Table().execute("query-version", {});
    CHECK(version.at("qemu").at("major").is_number_integer());
    CHECK(version.at("qemu").at("minor").is_number_integer());
    CHECK(version.at("qemu").at("micro").is_number_integer());
    CHECK(version.at("package").get<std::string>().starts_with("nbdkit-resilience "));
    const Json greeting = Json::parse(resilience::qmp_greeting());
    CHECK(greeting == Json{{"QMP", {{"version", version}, {"capabilities", Json::array()}}}});
}

TEST_CASE("nothing goes before qmp_capabilities")
{
    Session session(false);
    const std::string expecting = "CommandNotFound: Expecting capabilities negotiation with "
                                  "'qmp_capabilities'";
    CHECK(session.error(R"({"execute":"query-version"})") == expecting);
    CHECK(session.error(R"({"execute":"zzz"})") == expecting);
    CHECK(session.error(R"({"execute":"qmp_capabilities","arguments":{"enable":["oob"]}})") ==
          "GenericError: Capability \"oob\" is not available");
    CHECK(session.error(R"({"execute":"qmp_capabilities","arguments":{"enable":1}})") ==
          "GenericError: Invalid parameter type for 'enable', expected: array");
    CHECK(session.error(R"({"execute":"qmp_capabilities","arguments":{"x":[]}})") ==
          "GenericError: Parameter 'x' is unexpected");
    CHECK(session.error(R"({"execute":"query-version"})") == expecting);
    CHECK(session.say(R"({"execute":"qmp_capabilities","arguments":{"enable":[]}})") ==
          R"({"return":{}})");
    CHECK(session.error(R"({"execute":"qmp_capabilities"})") ==
          "CommandNotFound: Capabilities negotiation is already complete, command ignored");
}

TEST_CASE("what a request can have wrong")
{
    Session session;
    CHECK(session.error("{bad}") == "GenericError: Invalid JSON syntax");
    CHECK(session.error("{\"execute\":\"\xff\"}") == "GenericError: Invalid JSON syntax");
    CHECK(session.error("{\"execute\":\"\xc0\x80\"}") == "GenericError: Invalid JSON syntax");
    CHECK(session.error(R"({"execute":"all","arguments":{"n":1e999}})") ==
          "GenericError: Invalid JSON syntax");
    CHECK(session.error("[1]") == "GenericError: QMP input must be a JSON object");
    CHECK(session.error("{}") == "GenericError: QMP input lacks member 'execute'");
    CHECK(session.error(R"({"execute":1})") ==
          "GenericError: QMP input member 'execute' must be a string");
    CHECK(session.error(R"({"execute":"all","arguments":[]})") ==
          "GenericError: QMP input member 'arguments' must be an object");
    CHECK(session.error(R"({"execute":"all","arguments":null})") ==
          "GenericError: QMP input member 'arguments' must be an object");
    CHECK(session.error(R"({"execute":"all","zz":1})") ==
          "GenericError: QMP input member 'zz' is unexpected");
}

TEST_CASE("an id comes back, whatever it is, with success and with failure")
{
    Session session;
    for (const char* id : {"1", "\"x\"", "null", "{\"a\":[1,2.5]}", "false"}) {
        const std::string with_id = std::string("\"id\":") + id + "}";
        CHECK(session.say(R"({"execute":"all","arguments":{"s":""},)" + with_id) ==
              R"({"return":{"s":""},)" + with_id);
        CHECK(session.say(R"({"execute":"break",)" + with_id) ==
              R"({"error":{"class":"GenericError","desc":"broken"},)" + with_id);
    }
}

TEST_CASE("an integer that fits no integer is none")
{
    Session session;
    CHECK(session.error(R"({"execute":"all","arguments":{"s":"","i":99999999999999999999}})") ==
          "GenericError: Invalid parameter type for 'i', expected: integer");
}

TEST_CASE("bytes that are not UTF-8 are replaced in replies")
{
    Session session;
    CHECK(session.say(R"({"execute":"bytes"})") == "{\"return\":\"a\uFFFD\uFFFDz\"}");
}
