// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/module.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "common/core/parameter.h"

namespace resilience::replication {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortest_time{10};
constexpr milliseconds longest_time{3600 * 1000};
constexpr milliseconds stop_limit{5000};
constexpr std::uint32_t smallest_cluster = 4096;
constexpr std::uint32_t largest_cluster = 2 << 20;

const char* const primary_keys[] = {
    "replication-secondary",   "replication-protocol",    "replication-backlog",
    "replication-backlog-age", "replication-backlog-full", "replication-checkpoint-interval",
    "replication-checkpoint-on", "replication-resync-rate", "replication-alone",
    "replication-autostart",
};
const char* const secondary_keys[] = {
    "replication-active", "replication-hidden", "replication-cluster-size",
};

Mode parse_mode(std::string_view key, const std::string& value)
{
    if (value == "primary") {
        return Mode::primary;
    }
    if (value == "secondary") {
        return Mode::secondary;
    }
    throw SetupError(fmt::format(
        "{}={}: The option mode's value should be primary or secondary", key, value));
}

std::uint32_t parse_cluster_size(std::string_view key, const std::string& value)
{
    const std::uint64_t size = parse_size(key, value);
    if (!std::has_single_bit(size) || size < smallest_cluster || size > largest_cluster) {
        throw SetupError(fmt::format("{}={}: expects a power of two from {} to {} bytes", key,
                                     value, smallest_cluster, largest_cluster));
    }
    return static_cast<std::uint32_t>(size);
}

}  // namespace

const char* const ReplicationModule::config_help =
    "replication-mode=primary|secondary  (required) Which side this is.\n"
    "replication-identity=<PATH>    Who this side is (default: DISK.replication).\n"
    "replication-bitmap=<PATH>      What differs from the other side; outlives a restart.\n"
    "replication-control=<SOCKET>   Where nbdctl(1) connects to.\n"
    "replication-group=<SOCKET>     Another disk's control socket; repeat.\n"
    "replication-name=<NAME>        What events call the disk (default replication).\n"
    "replication-timeout=<T>        How long the other side may take (default 10s).\n"
    "Secondary:\n"
    "replication-active=<PATH>      (required) What the secondary itself writes.\n"
    "replication-hidden=<PATH>      (required) What the disk held at the last checkpoint.\n"
    "replication-cluster-size=<SIZE> What is saved as a whole (default 4K).\n"
    "Primary:\n"
    "replication-secondary=<SPEC>   (required) The export `primary' of the secondary.\n"
    "replication-protocol=<P>       sync or async (default sync).\n"
    "replication-backlog=<SIZE>     async: bytes that may be on their way (default 64M).\n"
    "replication-backlog-age=<T>    async: how old they may get (default 10s).\n"
    "replication-backlog-full=<A>   wait or resync (default resync).\n"
    "replication-checkpoint-interval=<T>  Checkpoints by the clock.\n"
    "replication-checkpoint-on=flush  Checkpoints by the guest's flushes.\n"
    "replication-resync-rate=<SIZE> Bytes per second (default 0: no limit).\n"
    "replication-alone=<BOOL>       Serve before the secondary was asked (default false).\n"
    "replication-autostart=<BOOL>   Start with the server, not by command (default true).";

bool ReplicationModule::config(std::string_view key, const std::string& value)
try {
    if (options_.directory.empty()) {
        options_.directory = std::filesystem::current_path();
    }
    if (config_common(key, value)) {
        return true;
    }
    if (config_primary(key, value) || config_secondary(key, value)) {
        keys_.emplace_back(key);
        return true;
    }
    return false;
} catch (const std::invalid_argument& error) {
    throw SetupError(error.what());
}

bool ReplicationModule::config_common(std::string_view key, const std::string& value)
{
    if (key == "replication-mode") {
        options_.mode = parse_mode(key, value);
    } else if (key == "replication-name") {
        options_.name = parse_name(key, value);
    } else if (key == "replication-control") {
        options_.control = parse_path(key, value, options_.directory);
    } else if (key == "replication-identity") {
        options_.identity = parse_path(key, value, options_.directory);
    } else if (key == "replication-bitmap") {
        options_.bitmap = parse_path(key, value, options_.directory);
    } else if (key == "replication-group") {
        options_.group.push_back(parse_path(key, value, options_.directory));
    } else if (key == "replication-timeout") {
        options_.timeout = parse_duration(key, value, shortest_time, longest_time);
    } else {
        return false;
    }
    return true;
}

bool ReplicationModule::config_secondary(std::string_view key, const std::string& value)
{
    if (key == "replication-active") {
        options_.active = parse_path(key, value, options_.directory);
    } else if (key == "replication-hidden") {
        options_.hidden = parse_path(key, value, options_.directory);
    } else if (key == "replication-cluster-size") {
        options_.cluster_size = parse_cluster_size(key, value);
    } else {
        return false;
    }
    return true;
}

bool ReplicationModule::config_primary(std::string_view key, const std::string& value)
{
    const auto one_of = [&](std::initializer_list<std::string_view> allowed, const char* text) {
        const auto found = std::find(allowed.begin(), allowed.end(), value);
        if (found == allowed.end()) {
            throw SetupError(fmt::format("{}={}: expects {}", key, value, text));
        }
        return found - allowed.begin();
    };
    if (key == "replication-secondary") {
        options_.secondary = value;
    } else if (key == "replication-protocol") {
        options_.protocol =
            one_of({"sync", "async"}, "sync or async") == 0 ? Protocol::sync : Protocol::async;
    } else if (key == "replication-backlog") {
        options_.backlog_bytes = parse_size(key, value);
    } else if (key == "replication-backlog-age") {
        options_.backlog_age = parse_duration(key, value, shortest_time, longest_time);
    } else if (key == "replication-backlog-full") {
        options_.backlog_full = one_of({"wait", "resync"}, "wait or resync") == 0
                                    ? BacklogFull::wait
                                    : BacklogFull::resync;
    } else if (key == "replication-checkpoint-interval") {
        options_.checkpoint_interval = parse_duration(key, value, shortest_time, longest_time);
    } else if (key == "replication-checkpoint-on") {
        options_.checkpoint_on_flush = one_of({"flush", "command"}, "flush or command") == 0;
    } else if (key == "replication-resync-rate") {
        options_.resync_rate = parse_size(key, value);
    } else if (key == "replication-alone") {
        options_.alone = parse_bool(key, value);
    } else if (key == "replication-autostart") {
        options_.autostart = parse_bool(key, value);
    } else {
        return false;
    }
    return true;
}

void ReplicationModule::observe(std::string_view key, const std::string& value)
{
    if (key == "file") {
        options_.disk = (std::filesystem::current_path() / value).lexically_normal();
    }
}

/// Parameters of the other side are a mistake, not something to ignore.
void ReplicationModule::check_side()
{
    const bool primary = options_.mode == Mode::primary;
    for (const std::string& key : keys_) {
        const bool foreign =
            primary ? std::ranges::count(secondary_keys, key) : std::ranges::count(primary_keys, key);
        if (foreign) {
            throw SetupError(fmt::format("The {} side does not support option {}",
                                         to_string(options_.mode), key));
        }
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
    add(options_.active.empty() ? "" : options_.active + ".map", "replication-active's map");
    add(options_.hidden, "replication-hidden");
    add(options_.hidden.empty() ? "" : options_.hidden + ".map", "replication-hidden's map");
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
    if (options_.identity.empty()) {
        if (options_.disk.empty()) {
            throw SetupError("replication-identity= is missing: give the path of a file that "
                             "stays with the disk");
        }
        options_.identity = options_.disk + ".replication";
    }
    check_paths();
    side_ = options_.mode == Mode::primary ? make_primary(options_, events_)
                                           : make_secondary(options_, events_);
}

void ReplicationModule::get_ready(std::shared_ptr<Device> next)
{
    side_->get_ready(std::move(next), background());
    control_ = std::make_unique<Control>(options_, *side_);
    control_->add_commands(commands_);
    if (!options_.control.empty()) {
        server_ = std::make_unique<ControlServer>(options_.control, commands_, events_);
    }
}

void ReplicationModule::after_fork()
{
    side_->after_fork();
    control_->start();
    if (server_) {
        server_->start();
    }
}

void ReplicationModule::cleanup()
{
    if (server_) {
        server_->stop(stop_limit);
    }
    if (control_) {
        control_->stop();
    }
    side_->cleanup();
}

}  // namespace resilience::replication
