// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/command_table.h"

#include <cstdio>

#include <fmt/format.h>

#include "common/control/json.h"
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

namespace resilience {

namespace {

bool has_type(const Json& value, ArgumentType type)
{
    switch (type) {
    case ArgumentType::string:
        return value.is_string();
    case ArgumentType::integer:
        return value.is_number_integer();
    case ArgumentType::boolean:
        return value.is_boolean();
    case ArgumentType::number:
        return value.is_number();
    case ArgumentType::any:
        return true;
    }
    return false;
}

void check_arguments(const std::vector<Argument>& declared, const Json& given)
{
    for (const Argument& argument : declared) {
        auto it = given.find(argument.name);
        if (it == given.end()) {
            if (argument.required) {
                throw CommandError(fmt::format("Parameter '{}' is missing", argument.name));
            }
        } else if (!has_type(*it, argument.type)) {
            throw CommandError(fmt::format("Invalid parameter type for '{}', expected: {}",
                                           argument.name, to_string(argument.type)));
        }
    }
    for (const auto& item : given.items()) {
        bool known = false;
        for (const Argument& argument : declared) {
            known = known || argument.name == item.key();
        }
        if (!known) {
            throw CommandError(fmt::format("Parameter '{}' is unexpected", item.key()));
        }
    }
}

}  // namespace

std::string_view to_string(ArgumentType type)
{
    switch (type) {
    case ArgumentType::string:
        return "string";
    case ArgumentType::integer:
        return "integer";
    case ArgumentType::boolean:
        return "boolean";
    case ArgumentType::number:
        return "number";
    case ArgumentType::any:
        return "any";
    }
    return "any";
}

CommandTable::CommandTable()
{
    add("query-commands", "List the commands and their arguments", {},
        [this](const Json&) { return describe(); });
    add("query-version", "Show the version of the server", {},
        [](const Json&) { return version_json(); });
}

void CommandTable::add(std::string name, std::string help, std::vector<Argument> arguments,
                       CommandHandler handler)
{
    if (commands_.contains(name)) {
        throw std::logic_error(fmt::format("control command '{}' is there already", name));
    }
    commands_.emplace(std::move(name),
                      Command{std::move(help), std::move(arguments), std::move(handler)});
}

void CommandTable::add_qemu(std::string name, std::string help, std::vector<Argument> arguments,
                            CommandHandler handler)
{
    add(name, std::move(help), std::move(arguments), std::move(handler));
    commands_.find(name)->second.qemu = true;
}

Json CommandTable::execute(const std::string& name, const Json& arguments) const
{
    auto it = commands_.find(name);
    if (it == commands_.end()) {
        throw CommandError(fmt::format("The command {} has not been found", name),
                           "CommandNotFound");
    }
    const Command& command = it->second;
    const Json given = arguments.is_null() ? Json::object() : arguments;
    if (!given.is_object()) {
        throw CommandError("QMP input member 'arguments' must be an object");
    }
    check_arguments(command.arguments, given);
    try {
        return command.handler(given);
    } catch (const CommandError&) {
        throw;
    } catch (const std::exception& error) {
        throw CommandError(error.what());
    } catch (...) {
        throw CommandError(fmt::format("The command {} has failed", name));
    }
}

Json CommandTable::describe() const
{
    Json list = Json::array();
    for (const auto& [name, command] : commands_) {
        Json arguments = Json::array();
        for (const Argument& argument : command.arguments) {
            arguments.push_back({{"name", argument.name},
                                 {"type", std::string(to_string(argument.type))},
                                 {"required", argument.required},
                                 {"help", argument.help}});
        }
        list.push_back({{"name", name}, {"help", command.help},
                        {"arguments", std::move(arguments)}});
        if (command.qemu) {
            list.back()["qemu"] = true;
        }
    }
    return list;
}

Json version_json()
{
    // The member is called "qemu" whoever answers: it is what QMP's schema
    // demands and what its clients look for.
    unsigned major = 0;
    unsigned minor = 0;
    unsigned micro = 0;
    std::sscanf(PACKAGE_VERSION, "%u.%u.%u", &major, &minor, &micro);
    return {{"qemu", {{"major", major}, {"minor", minor}, {"micro", micro}}},
            {"package", "nbdkit-resilience " PACKAGE_VERSION}};
}

}  // namespace resilience
