// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/control.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <utility>

#include <fmt/format.h>

#include "common/child/uri.h"
#include "common/control/json.h"
#include "common/core/parameter.h"
#include "common/thread/thread_start.h"
#include "filters/quorum/memory_open.h"
#include "filters/quorum/status.h"

namespace resilience::quorum {

namespace {

constexpr std::chrono::milliseconds stop_limit{5000};

[[noreturn]] void refuse(const std::string& reason)
{
    throw CommandError(reason);
}

std::string text(const Json& arguments, const char* name)
{
    return arguments.value(name, std::string());
}

const Argument child_argument{"child", ArgumentType::string, true,
                              "the child's name (children.N) or node name"};

/// What a description in QEMU's form has beside what we know of would be ignored
/// silently; and ignoring what a device is made of is how images are overwritten.
void allow_only(const Json& arguments, std::initializer_list<std::string_view> known,
                const std::string& driver)
{
    for (const auto& [key, value] : arguments.items()) {
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            refuse(fmt::format("Parameter '{}' is not supported with driver={} here", key, driver));
        }
    }
}

/// A member that must be a text.
std::string needed(const Json& arguments, const char* name)
{
    const auto found = arguments.find(name);
    if (found == arguments.end()) {
        refuse(fmt::format("Parameter '{}' is missing", name));
    }
    if (!found->is_string() || found->get<std::string>().empty()) {
        refuse(fmt::format("Invalid parameter type for '{}', expected: string", name));
    }
    return *found;
}

/// The URI of QEMU's description of an NBD server (a URI itself goes into spec).
std::string nbd_uri(const Json& arguments)
{
    const auto server = arguments.find("server");
    if (server == arguments.end() || !server->is_object()) {
        refuse("Parameter 'server' is missing: {\"type\": \"unix\", \"path\": PATH} or "
               "{\"type\": \"inet\", \"host\": HOST, \"port\": PORT}");
    }
    Uri uri;
    uri.path = "/" + text(arguments, "export");
    const std::string type = needed(*server, "type");
    if (type == "unix") {
        allow_only(*server, {"type", "path"}, "nbd");
        uri.scheme = "nbd+unix";
        uri.parameters.emplace_back("socket", needed(*server, "path"));
    } else if (type == "inet") {
        allow_only(*server, {"type", "host", "port"}, "nbd");
        uri.scheme = "nbd";
        uri.host = needed(*server, "host");
        if (uri.host.find(':') != std::string::npos) {
            uri.host = "[" + uri.host + "]";  // IPv6
        }
        uri.port = needed(*server, "port");
    } else {
        refuse(fmt::format("Invalid parameter '{}': the type of a server is unix or inet", type));
    }
    return to_string(uri);
}

/// The SPEC of what QEMU would open by this.  Only drivers that take a child's
/// bytes as they are: any other one means another content.
std::string spec_of_driver(const Json& arguments, const std::string& driver)
{
    if (driver == "raw" && arguments.contains("file")) {
        allow_only(arguments, {"node-name", "driver", "file"}, driver);
        const Json& file = arguments["file"];
        if (!file.is_object()) {
            refuse("Parameter 'file' must describe a device, {driver, filename}; that of another "
                   "node is not supported");
        }
        const std::string below = needed(file, "driver");
        if (below == "raw") {
            refuse("Parameter 'file': raw over raw is not supported");
        }
        return spec_of_driver(file, below);
    }
    if (driver == "nbd") {
        allow_only(arguments, {"node-name", "driver", "server", "export"}, driver);
        return nbd_uri(arguments);
    }
    if (driver != "raw" && driver != "file" && driver != "host_device") {
        refuse(fmt::format("Driver '{0}' is not supported: a child is taken as the bytes that it "
                           "holds, by raw, file, host_device or nbd; open it by a server, "
                           "spec='[ qemu-nbd -f {0} FILE ]'",
                           driver));
    }
    allow_only(arguments, {"node-name", "driver", "filename"}, driver);
    const std::string path = needed(arguments, "filename");
    // Never a command or a URI, whatever it looks like.
    return path.starts_with('/') ? path : "./" + path;
}

/// The SPEC that blockdev-add's arguments name.
std::string spec_of_node(const Json& arguments)
{
    if (!arguments.contains("spec")) {
        if (!arguments.contains("driver") && !arguments.contains("filename")) {
            refuse("Parameter 'spec' is missing");
        }
        return spec_of_driver(arguments, arguments.value("driver", std::string("raw")));
    }
    if (arguments.size() > 2) {  // with node-name
        refuse("The parameter spec names the whole device: it excludes driver, filename, file, "
               "server and export");
    }
    return needed(arguments, "spec");
}

}  // namespace

void Control::add_commands(CommandTable& table)
{
    add_queries(table);
    add_membership(table);
    add_node_commands(table);
    add_resync(table);
    add_others(table);
}

void Control::stop(std::chrono::milliseconds limit)
{
    std::map<std::string, Node> nodes;
    {
        const std::lock_guard lock(nodes_mutex_);
        nodes.swap(nodes_);
    }
    for (auto& [name, node] : nodes) {
        if (node.device) {
            node.device->stop(limit);
        }
    }
}

/// Opens what a command has named, and starts it.  A file that we have open
/// ourselves would be refused for its locks, as if a stranger had it.
Control::Node Control::open_node(const std::string& text)
{
    const ChildSpec spec = parse_child_spec(text, directory_);
    const std::string storage = storage_identity(spec);
    for (const ChildPtr& child : quorum_.children()) {
        if (std::ranges::count(child->storage(), storage) != 0) {
            refuse(fmt::format("'{}' is the same storage as child '{}' ({}) of this quorum", text,
                               child->node_name(), child->name()));
        }
    }
    {
        const std::lock_guard lock(nodes_mutex_);
        for (const auto& [name, node] : nodes_) {
            if (node.storage == storage) {
                refuse(fmt::format("'{}' is the same storage as node '{}'", text, name));
            }
        }
    }
    std::shared_ptr<Device> device = open_(spec);
    device->start();
    return {std::move(device), storage, member_spec(spec)};
}

/// Takes a node out for a command, which then calls put_node() or drop_node().
std::optional<Control::Node> Control::take_node(const std::string& name)
{
    const std::lock_guard lock(nodes_mutex_);
    const auto found = nodes_.find(name);
    if (found == nodes_.end()) {
        return std::nullopt;
    }
    if (!found->second.device) {
        refuse(fmt::format("Node '{}' is being opened, added or closed", name));
    }
    return std::exchange(found->second, {});
}

void Control::put_node(const std::string& name, Node node)
{
    const std::lock_guard lock(nodes_mutex_);
    nodes_[name] = std::move(node);
}

void Control::drop_node(const std::string& name)
{
    const std::lock_guard lock(nodes_mutex_);
    nodes_.erase(name);
}

void Control::add_queries(CommandTable& table)
{
    table.add("query-status", "how the quorum is, and what to do", {},
              [this](const Json&) { return query_status(quorum_); });
    table.add("query-children", "state and exact counters of each child", {},
              [this](const Json&) { return query_children(quorum_); });
    table.add("query-resync", "progress of the resync of each child", {},
              [this](const Json&) { return query_resync(quorum_); });
}

ChildPtr Control::child(const Json& arguments) const
{
    const std::string name = text(arguments, "child");
    ChildPtr found = quorum_.find_child(name);
    if (!found) {
        refuse(fmt::format("Node '{}' does not have child '{}'", quorum_.options().name, name));
    }
    return found;
}

void Control::add_membership(CommandTable& table)
{
    table.add("child-add", "add a child; it is filled by the resync",
              {{"spec", ArgumentType::string, true, "a path, an NBD URI or [ COMMAND ]"},
               {"name", ArgumentType::string, false, "its node name"},
               {"content-equal", ArgumentType::boolean, false,
                "its content is known to be equal: no resync"}},
              [this](const Json& arguments) { return child_add(arguments); });
    table.add("child-accept",
              "fill a foreign child (another disk than was left there); what it holds is lost",
              {child_argument}, [this](const Json& arguments) {
                  quorum_.accept_child(text(arguments, "child"));
                  return Json::object();
              });
    table.add("child-remove", "remove a child", {child_argument}, [this](const Json& arguments) {
        quorum_.remove_child(text(arguments, "child"));
        return Json::object();
    });
}

Json Control::child_add(const Json& arguments)
{
    quorum_.refuse_if_blocked(Command::add_child, {});
    const Node node = open_node(text(arguments, "spec"));
    try {
        const std::string name = quorum_.add_child({text(arguments, "name"), node.device,
                                                    quorum_.options().timeout, {node.storage},
                                                    node.spec},
                                                   arguments.value("content-equal", false));
        return {{"child", name}};
    } catch (...) {
        node.device->stop(stop_limit);
        throw;
    }
}

void Control::add_node_commands(CommandTable& table)
{
    table.add_qemu("blockdev-add", "open a device, to be added by x-blockdev-change",
              {{"node-name", ArgumentType::string, true, "what to call it"},
               {"spec", ArgumentType::string, false, "a path, an NBD URI or [ COMMAND ]"},
               {"driver", ArgumentType::string, false, "raw, file, host_device or nbd"},
               {"filename", ArgumentType::string, false,
                "with raw, file, host_device: a path, whatever it looks like"},
               {"file", ArgumentType::any, false, "with driver=raw: {driver, filename}"},
               {"server", ArgumentType::any, false,
                "with driver=nbd: {type: unix, path} or {type: inet, host, port}"},
               {"export", ArgumentType::string, false, "with driver=nbd and server"}},
              [this](const Json& arguments) { return blockdev_add(arguments); });
    table.add_qemu("blockdev-del", "close a device that was opened by blockdev-add",
              {{"node-name", ArgumentType::string, true, "its name"}},
              [this](const Json& arguments) { return blockdev_del(arguments); });
    table.add_qemu("x-blockdev-change", "add a node as a child, or remove a child, as in QEMU",
              {{"parent", ArgumentType::string, true, "the quorum's name"},
               {"child", ArgumentType::string, false, "children.N, to be removed"},
               {"node", ArgumentType::string, false, "a node name, to be added"}},
              [this](const Json& arguments) { return change(arguments); });
}

Json Control::blockdev_add(const Json& arguments)
{
    const std::string name = text(arguments, "node-name");
    if (!is_name(name)) {
        refuse(fmt::format("Invalid node-name: '{}': use letters, digits, '-' and '_'", name));
    }
    const std::string spec = spec_of_node(arguments);
    {
        const std::lock_guard lock(nodes_mutex_);
        if (name == quorum_.options().name || quorum_.find_child(name) ||
            !nodes_.emplace(name, Node{}).second) {
            refuse(fmt::format("Duplicate nodes with node-name='{}'", name));
        }
    }
    try {
        put_node(name, open_node(spec));
    } catch (...) {
        drop_node(name);
        throw;
    }
    return Json::object();
}

Json Control::blockdev_del(const Json& arguments)
{
    const std::string name = text(arguments, "node-name");
    if (name == quorum_.options().name || quorum_.find_child(name)) {
        refuse(fmt::format("Node {} is in use", name));
    }
    const std::optional<Node> node = take_node(name);
    if (!node) {
        refuse(fmt::format("Failed to find node with node-name='{}'", name));
    }
    node->device->stop(stop_limit);
    drop_node(name);
    return Json::object();
}

/// Only the quorum itself can be a parent.
void Control::check_parent(const std::string& parent, bool adding)
{
    if (parent == quorum_.options().name) {
        return;
    }
    const std::lock_guard lock(nodes_mutex_);
    if (nodes_.contains(parent) || quorum_.find_child(parent)) {
        refuse(fmt::format("The node {} does not support {} a child", parent,
                           adding ? "adding" : "removing"));
    }
    refuse(fmt::format("Cannot find device='{0}' nor node-name='{0}'", parent));
}

Json Control::change(const Json& arguments)
{
    const std::string child = text(arguments, "child");
    const std::string node = text(arguments, "node");
    check_parent(text(arguments, "parent"), child.empty());
    if (!child.empty() && !node.empty()) {
        refuse("The parameters child and node are in conflict");
    }
    if (child.empty() && node.empty()) {
        refuse("Either child or node must be specified");
    }
    if (!node.empty()) {
        change_add(node);
        return Json::object();
    }
    const ChildPtr found = quorum_.find_child(child);
    if (!found || found->name() != child) {  // node names are not child names
        refuse(fmt::format("Node '{}' does not have child '{}'", quorum_.options().name, child));
    }
    quorum_.remove_child(child);
    return Json::object();
}

void Control::change_add(const std::string& node)
{
    const std::string& quorum = quorum_.options().name;
    if (node == quorum) {
        refuse(fmt::format("Making '{0}' a children.{1} child of '{0}' would create a cycle", quorum,
                           quorum_.children().size()));
    }
    if (quorum_.find_child(node)) {
        refuse(fmt::format("The node {} already has a parent", node));
    }
    const std::optional<Node> taken = take_node(node);
    if (!taken) {
        refuse(fmt::format("Node '{}' not found", node));
    }
    try {
        quorum_.add_child(
            {node, taken->device, quorum_.options().timeout, {taken->storage}, taken->spec}, false);
    } catch (...) {
        put_node(node, *taken);
        throw;
    }
    drop_node(node);
}

void Control::add_resync(CommandTable& table)
{
    const auto set_mode = [this](ResyncMode mode) {
        return [this, mode](const Json& arguments) {
            child(arguments)->resync_mode = mode;
            return Json::object();
        };
    };
    table.add("resync-pause", "stop copying to a child, to go on later", {child_argument},
              set_mode(ResyncMode::paused));
    table.add("resync-resume", "go on after resync-pause", {child_argument},
              set_mode(ResyncMode::automatic));
    table.add("resync-cancel", "end the resync of a child; it stays stale", {child_argument},
              [this](const Json& arguments) { return resync_cancel(arguments); });
    table.add("resync-start", "start the resync of a child again",
              {child_argument,
               {"full", ArgumentType::boolean, false,
                "copy everything, whatever the child is known to hold"}},
              [this](const Json& arguments) { return resync_start(arguments); });
    table.add("assume-clean", "believe all that a child holds; only if you know that it is right",
              {child_argument}, [this](const Json& arguments) {
                  quorum_.assume_clean(child(arguments)->name());
                  return Json::object();
              });
    table.add("settle", "replace what the others hold by what one child holds",
              {{"source", ArgumentType::string, true, "the child's name or node name"},
               {"offset", ArgumentType::integer, false, "bytes (default: 0)"},
               {"length", ArgumentType::integer, false, "bytes (default: to the end)"}},
              [this](const Json& arguments) { return settle(arguments); });
}

Json Control::resync_cancel(const Json& arguments)
{
    const ChildPtr found = child(arguments);
    if (resync_status(*found).total == 0) {
        refuse(fmt::format("Child '{}' misses nothing, so there is no resync to be cancelled",
                           found->node_name()));
    }
    found->resync_mode = ResyncMode::cancelled;
    return Json::object();
}

Json Control::settle(const Json& arguments)
{
    const std::uint64_t size = quorum_.size();
    const auto given = [&](const char* name, std::uint64_t without) {
        const auto found = arguments.find(name);
        if (found == arguments.end()) {
            return without;
        }
        const auto value = found->get<std::int64_t>();
        if (value < 0 || static_cast<std::uint64_t>(value) > size) {
            refuse(fmt::format("{}={}: the device has {} bytes", name, value, size));
        }
        return static_cast<std::uint64_t>(value);
    };
    const std::uint64_t offset = given("offset", 0);
    const std::uint64_t length = given("length", size - offset);
    if (length == 0 || length > size - offset) {
        refuse(fmt::format("length={}: from byte {} on there are {}", length, offset,
                           size - offset));
    }
    quorum_.settle_from(text(arguments, "source"), {offset, offset + length});
    return {{"unsettled-bytes", quorum_.settler().unsettled_bytes()}};
}

Json Control::resync_start(const Json& arguments)
{
    const ChildPtr found = child(arguments);
    quorum_.refuse_if_blocked(Command::start_resync, found->node_name());
    if (arguments.value("full", false)) {
        quorum_.make_stale(found->name());
    }
    found->resync_mode = ResyncMode::automatic;
    found->forgive();
    return Json::object();
}

void Control::add_others(CommandTable& table)
{
    table.add("invalidate-cache",
              "drop the page cache of file children: the next vote reads the medium",
              {{"child", ArgumentType::string, false, "one child only"}},
              [this](const Json& arguments) { return invalidate_cache(arguments); });

    // QEMU's commands for snapshots; they are here to say why not.
    std::vector<Argument> anything;
    for (const char* name : {"device", "node-name", "snapshot-file", "snapshot-node-name", "format",
                             "mode", "node", "overlay", "name"}) {
        anything.push_back({name, ArgumentType::any, false, "not used"});
    }
    for (const char* name : {"blockdev-snapshot-sync", "blockdev-snapshot",
                             "blockdev-snapshot-internal-sync"}) {
        table.add_qemu(name, "not possible on a quorum; says why", anything, [this](const Json&) {
            quorum_.refuse_if_blocked(Command::snapshot, {});
            return Json::object();
        });
    }
}

Json Control::invalidate_cache(const Json& arguments)
{
    Json results = Json::array();
    for (const ChildPtr& each : arguments.contains("child") ? Children{child(arguments)}
                                                            : quorum_.children()) {
        // It waits for the disk, and a disk can hang.
        const std::optional<int> error = call_with_deadline<int>(
            "invalidate", [device = each->shared_device()] { return device->invalidate_cache(); },
            std::chrono::duration_cast<std::chrono::milliseconds>(each->timeout()));
        const std::string result = !error              ? "no answer in time"
                                   : *error == 0       ? "dropped"
                                   : *error == ENOTSUP ? "not supported"
                                                       : std::strerror(*error);
        results.push_back({{"child", each->node_name()}, {"result", result}});
    }
    return results;
}

}  // namespace resilience::quorum
