// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/module.h"

#include <filesystem>
#include <limits>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/parameter.h"
#include "filters/logwrites/logwrites_device.h"
#include "filters/logwrites/marks.h"

namespace resilience::logwrites {

namespace {

constexpr std::chrono::milliseconds log_timeout{10000};
constexpr std::chrono::milliseconds stop_limit{3000};

WhenFull parse_full(std::string_view key, const std::string& value)
{
    for (const WhenFull each : {WhenFull::error, WhenFull::stop}) {
        if (value == to_string(each)) {
            return each;
        }
    }
    throw SetupError(fmt::format("{}={}: expects error or stop", key, value));
}

std::uint64_t parse_interval(std::string_view key, const std::string& value)
{
    const std::uint64_t interval =
        parse_integer(key, value, 0, std::numeric_limits<std::int64_t>::max());
    if (interval == 0) {
        throw SetupError(fmt::format("{}: Invalid log superblock update interval {}: it is a "
                                     "number of entries, 1 or more",
                                     key, interval));
    }
    return interval;
}

std::uint32_t parse_sector_size(std::string_view key, const std::string& value)
{
    const std::uint64_t size = parse_size(key, value);
    check_sector_size(key, size);
    return static_cast<std::uint32_t>(size);
}

}  // namespace

const char* const LogwritesModule::config_help =
    "logwrites-log=<SPEC>           Where the log goes: a path or an NBD URI (required).\n"
    "logwrites-sector-size=<SIZE>   Of the log: 512 (default) to 8M, a power of two.\n"
    "logwrites-append=<BOOL>        Go on behind an existing log (default false).\n"
    "logwrites-super-update-interval=<N> Entries between superblocks (default 4096).\n"
    "logwrites-full=<ACTION>        error or stop, when the log is full (default error).\n"
    "logwrites-ext=<BOOL>           Order, times, checksums in headers (default true).\n"
    "logwrites-sync=<BOOL>          A flush makes the log durable too (default true).\n"
    "logwrites-mark-offset=<OFFSET> Where a guest writes marks (default nowhere).\n"
    "logwrites-control=<SOCKET>     Where nbdctl(1) connects to.";

bool LogwritesModule::config(std::string_view key, const std::string& value)
try {
    if (!key.starts_with("logwrites-")) {
        return false;
    }
    if (directory_.empty()) {
        directory_ = std::filesystem::current_path();
    }
    config_option(key, value);
    return true;
} catch (const std::invalid_argument& error) {
    throw SetupError(error.what());
}

void LogwritesModule::config_option(std::string_view key, const std::string& value)
{
    if (key == "logwrites-log") {
        if (log_) {
            throw SetupError(fmt::format("{}={}: a log has been given already: '{}'", key, value,
                                         log_->text));
        }
        log_ = parse_child_parameter(key, value, directory_);
    } else if (key == "logwrites-sector-size") {
        options_.sector_size = parse_sector_size(key, value);
    } else if (key == "logwrites-append") {
        options_.append = parse_bool(key, value);
    } else if (key == "logwrites-super-update-interval") {
        options_.super_update_interval = parse_interval(key, value);
    } else if (key == "logwrites-full") {
        options_.full = parse_full(key, value);
    } else if (key == "logwrites-ext") {
        options_.ext = parse_bool(key, value);
    } else if (key == "logwrites-sync") {
        options_.sync = parse_bool(key, value);
    } else if (key == "logwrites-mark-offset") {
        options_.mark_offset = parse_size(key, value);
    } else if (key == "logwrites-control") {
        control_path_ = parse_path(key, value, directory_);
    } else {
        throw SetupError(fmt::format("{}={}: the filter has no such parameter; see 'nbdkit "
                                     "--filter=logwrites null --help'",
                                     key, value));
    }
}

void LogwritesModule::observe(std::string_view key, const std::string& value)
{
    // Not to log onto the disk itself.
    if (auto identity = plugin_storage_identity(key, value, std::filesystem::current_path())) {
        below_.push_back(std::move(*identity));
    }
}

void LogwritesModule::config_complete()
{
    if (!log_) {
        throw SetupError("logwrites-log: a block device must be specified for \"log\": give "
                         "logwrites-log=SPEC");
    }
    const std::string identity = storage_identity(*log_);
    for (const std::string& each : below_) {
        if (each == identity) {
            throw SetupError(fmt::format("logwrites-log={}: this is what the plugin serves; the "
                                         "log needs a place of its own",
                                         log_->text));
        }
    }
}

void LogwritesModule::open_storage()
try {
    storage_ = open_log(*log_, log_timeout);
} catch (const SetupError& error) {
    throw SetupError(fmt::format("logwrites-log: {}", error.what()));
}

// The log is looked at here, where the user still reads what is wrong with it,
// but replaced only once the server runs: a start that fails (an address in
// use, say) must not cost an old log.
void LogwritesModule::get_ready(std::shared_ptr<Device> next)
{
    next_ = std::move(next);
    options_.check(next_->size());
    open_storage();
    storage_->start();
    start_ = inspect_log(*storage_, options_, next_->size());
    storage_->stop(stop_limit);
    if (storage_->fixed_size()) {
        storage_.reset();  // connections and threads do not survive the fork
    }
    if (!control_path_.empty()) {
        server_ = std::make_unique<ControlServer>(control_path_, commands_, events_);
    }
}

void LogwritesModule::after_fork()
{
    next_->start();
    if (!storage_) {
        open_storage();
    }
    storage_->start();
    LogWriter::Settings settings;
    settings.device_size = next_->size();
    settings.super_update_interval = options_.super_update_interval;
    settings.stop_when_full = options_.full == WhenFull::stop;
    settings.extension = options_.ext;
    settings.sync = options_.sync;
    settings.on_end = [this](const std::string& reason) {
        reporter_.stopped(reason, options_.full == WhenFull::error);
    };
    writer_ = std::make_unique<LogWriter>(*storage_, start_, std::move(settings));
    if (const int error = writer_->begin()) {
        throw SetupError(fmt::format("logwrites-log={}: the log cannot be begun: {}", log_->text,
                                     std::generic_category().message(error)));
    }
    if (!start_.note.empty()) {
        log::warning("logwrites: {}: {}", log_->text, start_.note);
    }
    const auto on_mark = [this](std::string_view mark, std::uint64_t entry, std::string_view way) {
        reporter_.mark(mark, entry, way);
    };
    recorder_ = std::make_shared<Recorder>(next_, *writer_, options_, on_mark);
    control_ = std::make_unique<Control>(*recorder_, *writer_, options_, log_->text, connections_);
    control_->add_commands(commands_);
    if (server_) {
        server_->start();
    }
}

std::shared_ptr<Device> LogwritesModule::open(const Client& client)
{
    connections_++;
    if (!client.export_name.starts_with(export_prefix)) {
        return std::make_shared<LogwritesDevice>(recorder_, client.connection);
    }
    const std::string mark = client.export_name.substr(export_prefix.size());
    if (const int error = recorder_->mark(mark, client.connection, "export")) {
        throw SetupError(fmt::format("logwrites: export '{}': {}", client.export_name,
                                     mark_error(mark, error, writer_->status())));
    }
    return std::make_shared<EmptyDevice>();
}

void LogwritesModule::cleanup()
{
    if (server_) {
        server_->stop(stop_limit);
    }
    if (writer_) {
        if (const int error = writer_->end()) {
            log::error("logwrites: {}: the end of the log could not be written: {}", log_->text,
                       std::generic_category().message(error));
        }
    }
    if (storage_) {
        storage_->stop(stop_limit);
    }
    if (next_) {
        next_->stop(stop_limit);
    }
}

}  // namespace resilience::logwrites
