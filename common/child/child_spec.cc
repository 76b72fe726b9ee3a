// SPDX-License-Identifier: BSD-3-Clause
#include "common/child/child_spec.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/child/uri.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

constexpr std::array<std::string_view, 6> schemes = {
    "nbd", "nbds", "nbd+unix", "nbds+unix", "nbd+vsock", "nbds+vsock",
};

/// How long storage_identity() waits for a file system; a path that does not
/// answer is its own identity.
constexpr auto identity_timeout = std::chrono::seconds(10);

std::string_view trim(std::string_view text)
{
    constexpr std::string_view blanks = " \t\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string absolute(const std::string& path, const std::string& directory)
{
    if (path.starts_with('/')) {
        return path;
    }
    return directory + (directory.ends_with('/') ? "" : "/") + path;
}

[[noreturn]] void fail(std::string_view text, const std::string& what)
{
    throw SetupError(fmt::format("'{}' {}", text, what));
}

bool is_unix(const Uri& uri)
{
    return uri.scheme == "nbd+unix" || uri.scheme == "nbds+unix";
}

// [ COMMAND ]: brackets are words of their own, as nbdcopy wants them, so that
// a file called "[1].img" need not be guessed about: it is an error.
std::string command_of(std::string_view text)
{
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
    if (text.size() > 1 && !is_blank(text[1])) {
        fail(text, fmt::format("starts with a bracket; a command is written '[ COMMAND ]', with "
                               "blanks inside the brackets, and a file with this name './{}'",
                               text));
    }
    if (text.size() < 3 || text.back() != ']' || !is_blank(text[text.size() - 2])) {
        fail(text, "has no closing bracket; a command is written '[ COMMAND ]', with blanks inside "
                   "the brackets");
    }
    const auto command = trim(text.substr(1, text.size() - 2));
    if (command.empty()) {
        fail(text, "has no command between the brackets; allowed is '[ COMMAND ]', for example "
                   "'[ qemu-nbd -f qcow2 disk.qcow2 ]'");
    }
    return std::string(command);
}

/// Makes the paths in a URI's parameters absolute, and checks that a URI of a
/// Unix socket names one.
std::string absolute_uri(std::string_view text, Uri uri, const std::string& directory)
{
    bool has_socket = false;
    for (auto& [key, value] : uri.parameters) {
        if (key == "socket" || key == "tls-certificates" || key == "tls-psk-file") {
            if (value.empty()) {
                fail(text, fmt::format("has an empty '{}='; a path is needed", key));
            }
            value = absolute(value, directory);
        }
        has_socket = has_socket || key == "socket";
    }
    if (is_unix(uri) && !has_socket) {
        fail(text, "names no socket; allowed is nbd+unix:///EXPORT?socket=PATH");
    }
    return to_string(uri);
}

/// The URI of QEMU's nbd:HOST:PORT or nbd:unix:PATH, each perhaps with
/// :exportname=NAME.  `text` is what follows nbd:.
std::string uri_of_qemu(std::string_view text)
{
    constexpr std::string_view export_mark = ":exportname=";
    Uri uri;
    if (const auto mark = text.find(export_mark); mark != std::string_view::npos) {
        uri.path = "/" + std::string(text.substr(mark + export_mark.size()));
        text = text.substr(0, mark);
    }
    if (text.starts_with("unix:")) {
        uri.scheme = "nbd+unix";
        uri.path = uri.path.empty() ? "/" : uri.path;
        uri.parameters.emplace_back("socket", text.substr(5));
    } else {
        uri.scheme = "nbd";
        uri.host = text;
    }
    return to_string(uri);
}

/// QEMU names devices in forms of its own.  Here they would be taken for paths,
/// and the user would be told that there is no such file.
void refuse_qemu_form(std::string_view text)
{
    std::string better;
    if (text.starts_with("nbd:") && !text.starts_with("nbd://")) {
        better = "for an NBD server write " + uri_of_qemu(text.substr(4));
    } else if (text.starts_with("file:")) {
        const auto uri = parse_uri(text);
        better = fmt::format("for a file write its path, {}",
                             uri ? uri->path : std::string(text.substr(5)));
    } else if (text.starts_with("json:")) {
        better = "write the path of a file or of a block device, an NBD URI such as "
                 "nbd://HOST:PORT/EXPORT, or '[ qemu-nbd IMAGE ]' for all else that QEMU can open";
    } else {
        return;
    }
    fail(text, fmt::format("is QEMU's form of a name; {}; and for a file with this very name './{}'",
                           better, text));
}

/// For a file its inode, for a block device its number, which stays the same
/// under any name and in any mount.
std::optional<std::string> file_identity(const std::string& path)
{
    struct stat st = {};
    if (stat(path.c_str(), &st) != 0) {
        return std::nullopt;
    }
    if (S_ISBLK(st.st_mode)) {
        return fmt::format("block:{}:{}", major(st.st_rdev), minor(st.st_rdev));
    }
    return fmt::format("inode:{}:{}:{}", major(st.st_dev), minor(st.st_dev), st.st_ino);
}

std::string path_identity(const std::string& path)
{
    using Answer = std::optional<std::string>;
    const auto found = call_with_deadline<Answer>(
        "file-stat", [path] { return file_identity(path); }, identity_timeout);
    if (found && *found) {
        return **found;
    }
    return "path:" + std::filesystem::path(path).lexically_normal().string();
}

/// A socket is another inode each time its server starts; its place stays.
std::string socket_identity(const std::string& path)
{
    const auto found = call_with_deadline<std::string>(
        "socket-path",
        [path] {
            std::error_code error;
            const auto real = std::filesystem::weakly_canonical(path, error);
            return error ? std::string() : real.string();
        },
        identity_timeout);
    return found && !found->empty() ? *found
                                    : std::filesystem::path(path).lexically_normal().string();
}

std::string lower_case(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::string uri_identity(const Uri& uri)
{
    const auto export_name = uri.path.substr(std::min(uri.path.size(), std::size_t(1)));
    if (is_unix(uri)) {
        for (const auto& [key, value] : uri.parameters) {
            if (key == "socket") {
                return fmt::format("unix:{}:{}", socket_identity(value), export_name);
            }
        }
    }
    const bool vsock = uri.scheme.ends_with("+vsock");
    const auto host = uri.host.empty() ? std::string("localhost") : lower_case(uri.host);
    return fmt::format("{}:{}:{}:{}", vsock ? "vsock" : "tcp", host,
                       uri.port.empty() ? "10809" : uri.port, export_name);
}

}  // namespace

ChildSpec parse_child_spec(std::string_view text, const std::string& directory)
{
    ChildSpec spec;
    spec.text = std::string(text);
    spec.directory = directory;
    const auto trimmed = trim(text);
    if (trimmed.empty()) {
        fail(text, "names no child; allowed are a path, an NBD URI, or '[ COMMAND ]'");
    }
    if (trimmed.find('\0') != std::string_view::npos) {
        fail(text, "contains a zero byte");
    }
    if (trimmed.front() == '[') {
        spec.kind = SpecKind::command;
        spec.target = command_of(trimmed);
        return spec;
    }
    refuse_qemu_form(trimmed);
    if (auto uri = parse_uri(trimmed)) {
        if (std::find(schemes.begin(), schemes.end(), uri->scheme) == schemes.end()) {
            fail(text, fmt::format("has the unknown scheme '{}://'; allowed are {}://, and for a "
                                   "file its path",
                                   uri->scheme, fmt::join(schemes, "://, ")));
        }
        spec.kind = SpecKind::uri;
        spec.target = absolute_uri(text, std::move(*uri), directory);
        return spec;
    }
    spec.kind = SpecKind::path;
    spec.target = absolute(std::string(text), directory);  // a path may end with a blank
    return spec;
}

ChildSpec parse_child_parameter(const Given& given)
try {
    return parse_child_spec(given.value, given.directory);
} catch (const SetupError& error) {
    throw SetupError(fmt::format("{}: {}", given.key, error.what()));
}

ParameterValue takes::child(std::optional<ChildSpec>& target, std::string once)
{
    return {"<SPEC>", "", [&target](const Given& given) { target = parse_child_parameter(given); },
            std::move(once)};
}

std::string storage_identity(const ChildSpec& spec)
{
    switch (spec.kind) {
    case SpecKind::path: return path_identity(spec.target);
    case SpecKind::command: return fmt::format("command:{}:{}", spec.directory, spec.target);
    case SpecKind::uri: break;
    }
    const auto uri = parse_uri(spec.target);
    return uri ? uri_identity(*uri) : "uri:" + spec.target;
}

std::optional<std::string> plugin_storage_identity(std::string_view key, std::string_view value,
                                                   const std::string& directory)
try {
    if (key == "file" || key == "uri") {
        return storage_identity(parse_child_spec(value, directory));
    }
    if (key == "socket") {
        return storage_identity(
            parse_child_spec(fmt::format("nbd+unix:///?socket={}", value), directory));
    }
    return std::nullopt;
} catch (const SetupError&) {
    return std::nullopt;  // no child of ours: what it may be given, the plugin knows
}

}  // namespace resilience
