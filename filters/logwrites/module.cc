// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/module.h"

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "filters/logwrites/logwrites_device.h"
#include "filters/logwrites/marks.h"

namespace resilience::logwrites {

namespace {

constexpr std::chrono::milliseconds log_timeout{10000};
constexpr std::chrono::milliseconds stop_limit{3000};

std::uint64_t parse_interval(std::string_view key, std::string_view value)
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

std::uint32_t parse_sector_size(std::string_view key, std::string_view value)
{
    const std::uint64_t size = parse_size(key, value);
    check_sector_size(key, size);
    return static_cast<std::uint32_t>(size);
}

}  // namespace

LogwritesModule::LogwritesModule() : Module(Form::filter, name, "logwrites-")
{
    add({
        {"logwrites-log", takes::child(log_, "a log"),
         "Where the log goes: a path or an NBD URI (required)"},
        {"logwrites-sector-size", takes::parsed("<SIZE>", options_.sector_size, parse_sector_size),
         "Of the log: 512 (default) to 8M, a power of two"},
        {"logwrites-append", takes::truth(options_.append), "Go on behind an existing log"},
        {"logwrites-super-update-interval",
         takes::parsed("<N>", options_.super_update_interval, parse_interval),
         "Entries between superblocks"},
        {"logwrites-full",
         takes::choice(options_.full, {{"error", WhenFull::error}, {"stop", WhenFull::stop}}),
         "When the log is full"},
        {"logwrites-ext", takes::truth(options_.ext), "Order, times, checksums in headers"},
        {"logwrites-sync", takes::truth(options_.sync), "A flush makes the log durable too"},
        {"logwrites-mark-offset", takes::size(options_.mark_offset),
         "Where a guest writes marks (default nowhere)"},
        control().parameter("logwrites-control"),
    });
}

void LogwritesModule::config_complete()
{
    if (!log_) {
        throw SetupError("logwrites-log: a block device must be specified for \"log\": give "
                         "logwrites-log=SPEC");
    }
    const std::string identity = storage_identity(*log_);
    if (std::ranges::count(storage_below(), identity) != 0) {
        throw SetupError(fmt::format("logwrites-log={}: this is what the plugin serves; the log "
                                     "needs a place of its own",
                                     log_->text));
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
    commands_ = std::make_unique<Control>(*recorder_, *writer_, options_, log_->text, connections_);
    commands_->add_commands(control().commands());
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
    return std::make_shared<SilentDevice>(0, Capabilities{.writable = false}, BlockLimits{});
}

std::shared_ptr<Device> LogwritesModule::preview(const Client&)
{
    return std::make_shared<SilentDevice>(next_->size(), recorded_capabilities(*next_),
                                          next_->block_limits());
}

void LogwritesModule::cleanup()
{
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
