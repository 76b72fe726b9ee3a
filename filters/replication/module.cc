// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/module.h"

#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "common/store/clustered_file.h"

namespace resilience::replication {

namespace {

constexpr std::string_view primary_rows = "Primary";
constexpr std::string_view secondary_rows = "Secondary";

}  // namespace

ReplicationModule::ReplicationModule() : Module(Form::filter, name, "replication-")
{
    Options& o = options_;
    add({
        {"replication-mode",
         takes::choice(o.mode, {{"primary", Mode::primary}, {"secondary", Mode::secondary}},
                       "The option mode's value should be primary or secondary"),
         "Which side this is (required)"},
        {"replication-identity", takes::path(o.identity),
         "Who this side is (default: DISK.replication)"},
        {"replication-bitmap", takes::path(o.bitmap),
         "What differs from the other side; outlives a restart"},
        control().parameter("replication-control"),
        {"replication-group",
         {"<SOCKET>", "", [&o](const Given& given) {
              o.group.push_back(parse_path(given.key, given.value, given.directory));
          }, {}},
         "Another disk's control socket; repeat"},
        {"replication-name", takes::name(o.name), "What events call the disk"},
        {"replication-timeout", takes::duration(o.timeout), "How long the other side may take"},
    });
    add({
        {"replication-active", takes::path(o.active), "What the secondary itself writes (required)"},
        {"replication-hidden", takes::path(o.hidden),
         "What the disk held at the last checkpoint (required)"},
        {"replication-cluster-size",
         takes::power_of_two(o.cluster_size, mapfile::smallest_cluster, mapfile::largest_cluster),
         "What is saved as a whole"},
    }, secondary_rows);
    add({
        {"replication-secondary", takes::text("<SPEC>", o.secondary),
         "The export `primary' of the secondary (required)"},
        {"replication-protocol",
         takes::choice(o.protocol, {{"sync", Protocol::sync}, {"async", Protocol::async}}),
         "When a write is acknowledged"},
        {"replication-backlog", takes::size(o.backlog_bytes),
         "async: bytes that may be on their way"},
        {"replication-backlog-age", takes::duration(o.backlog_age),
         "async: how old they may get"},
        {"replication-backlog-full",
         takes::choice(o.backlog_full, {{"wait", BacklogFull::wait},
                                        {"resync", BacklogFull::resync}}),
         "async: what happens then"},
        {"replication-checkpoint-interval", takes::duration(o.checkpoint_interval),
         "Checkpoints by the clock"},
        {"replication-checkpoint-on",
         takes::choice(o.checkpoint_on_flush, {{"flush", true}, {"command", false}}),
         "Checkpoints by the guest's flushes, or not"},
        {"replication-resync-rate", takes::size(o.resync_rate),
         "Bytes per second (default 0: no limit)"},
        {"replication-alone", takes::truth(o.alone), "Serve before the secondary was asked"},
        {"replication-autostart", takes::truth(o.autostart),
         "Start with the server, not by command"},
    }, primary_rows);
}

/// Parameters of the other side are a mistake, not something to ignore.
void ReplicationModule::check_side()
{
    const bool primary = options_.mode == Mode::primary;
    const std::string foreign = parameters().given_of(primary ? secondary_rows : primary_rows);
    if (!foreign.empty()) {
        throw SetupError(fmt::format("The {} side does not support option {}",
                                     to_string(options_.mode), foreign));
    }
    const auto need = [](const std::string& value, const char* key, const char* what) {
        if (value.empty()) {
            throw SetupError(fmt::format("{}= is missing: give {}", key, what));
        }
    };
    if (primary) {
        need(options_.secondary, "replication-secondary",
             "the secondary's export `primary', such as nbd://standby/primary");
    } else {
        need(options_.active, "replication-active", "the path of a file for its own writes");
        need(options_.hidden, "replication-hidden",
             "the path of a file for what the disk held at the last checkpoint");
    }
}

/// Two files of one path would destroy each other.
void ReplicationModule::check_paths() const
{
    std::map<std::string, std::string> seen;
    const auto add = [&](const std::string& path, const std::string& what) {
        if (path.empty()) {
            return;
        }
        const auto [other, is_new] = seen.emplace(path, what);
        if (!is_new) {
            throw SetupError(fmt::format("{}={}: this is the same file as {}", what, path,
                                         other->second));
        }
    };
    add(options_.disk, "the disk");
    add(options_.active, "replication-active");
    add(options_.active.empty() ? "" : ClusteredFile::map_path(options_.active),
        "replication-active's map");
    add(options_.hidden, "replication-hidden");
    add(options_.hidden.empty() ? "" : ClusteredFile::map_path(options_.hidden),
        "replication-hidden's map");
    add(options_.identity, "replication-identity");
    add(options_.bitmap, "replication-bitmap");
    add(options_.control, "replication-control");
}

void ReplicationModule::config_complete()
{
    if (options_.mode == Mode::unset) {
        throw SetupError("Missing the option mode: give replication-mode=primary or "
                         "replication-mode=secondary");
    }
    check_side();
    options_.directory = directory();
    options_.control = control().path();
    for (const auto& [key, value] : below()) {
        if (key == "file") {
            options_.disk = (std::filesystem::path(directory()) / value).lexically_normal();
        }
    }
    if (options_.identity.empty()) {
        if (options_.disk.empty()) {
            throw SetupError("replication-identity= is missing: give the path of a file that "
                             "stays with the disk");
        }
        options_.identity = options_.disk + ".replication";
    }
    check_paths();
    side_ = options_.mode == Mode::primary ? make_primary(options_, control().events())
                                           : make_secondary(options_, control().events());
}

void ReplicationModule::get_ready(std::shared_ptr<Device> next)
{
    side_->get_ready(std::move(next), background());
    commands_ = std::make_unique<Control>(options_, *side_);
    commands_->add_commands(control().commands());
}

void ReplicationModule::after_fork()
{
    side_->after_fork();
    commands_->start();
}

void ReplicationModule::cleanup()
{
    if (commands_) {
        commands_->stop();
    }
    side_->cleanup();
}

}  // namespace resilience::replication
