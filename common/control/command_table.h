// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The commands that a server understands: their names, what they are for,
// which arguments they take, and who carries them out.
//
// The table checks arguments before a handler sees them, with the texts that
// QEMU's users know, and describes itself (query-commands), so that nbdctl
// needs no knowledge of any command.

#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/control/json_fwd.h"

namespace resilience {

/// A command cannot be carried out.  what() is the "desc" that the client
/// gets; error_class() is QMP's class, which programs may switch on.
class CommandError : public std::runtime_error {
public:
    explicit CommandError(const std::string& desc, std::string error_class = "GenericError")
        : std::runtime_error(desc), error_class_(std::move(error_class))
    {
    }
    const std::string& error_class() const { return error_class_; }

private:
    std::string error_class_;
};

enum class ArgumentType : std::uint8_t { string, integer, boolean, number, any };

/// "string", "integer", "boolean", "number", "any".
std::string_view to_string(ArgumentType type);

/// One argument of a command.
struct Argument {
    std::string name;
    ArgumentType type = ArgumentType::string;
    bool required = true;
    std::string help;  ///< one line, without a full stop
};

/// Carries a command out.  `arguments` is an object whose declared members
/// have been checked: required ones are there, types are right, nothing else
/// is in it.  Integers may be negative or above INT64_MAX (then unsigned);
/// ranges are the handler's to check.
///
/// Handlers run on threads of the control server, several at a time (one per
/// client), and may take long, but must have a deadline.  They throw
/// CommandError to refuse; any other exception becomes a GenericError.
using CommandHandler = std::function<Json(const Json& arguments)>;

/// The table.  Fill it first; once a server uses it, it is only read (then
/// from any thread).  Has query-commands and query-version from the start.
class CommandTable {
public:
    CommandTable();
    CommandTable(const CommandTable&) = delete;
    CommandTable& operator=(const CommandTable&) = delete;

    /// `help` is one line.  Throws std::logic_error for a name that is there.
    void add(std::string name, std::string help, std::vector<Argument> arguments,
             CommandHandler handler);
    /// The same for a command that is here because QEMU has it: help lists it apart.
    void add_qemu(std::string name, std::string help, std::vector<Argument> arguments,
                  CommandHandler handler);

    /// Checks `arguments` (an object; null means none) and runs the command.
    /// Throws CommandError and nothing else.
    Json execute(const std::string& name, const Json& arguments) const;

    /// What query-commands returns: an array of {name, help, arguments:
    /// [{name, type, required, help}]}, ordered by name; with qemu: true, if it
    /// was added by add_qemu().
    Json describe() const;

private:
    struct Command {
        std::string help;
        std::vector<Argument> arguments;
        CommandHandler handler;
        bool qemu = false;
    };

    std::map<std::string, Command, std::less<>> commands_;
};

/// The version of this collection in the form of QMP's query-version.
Json version_json();

}  // namespace resilience
