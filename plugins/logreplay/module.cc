// SPDX-License-Identifier: BSD-3-Clause
#include "plugins/logreplay/module.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/log.h"
#include "plugins/logreplay/base_device.h"
#include "plugins/logreplay/overlay_path.h"

namespace resilience::logreplay {

namespace {

constexpr std::chrono::milliseconds stop_limit{3000};
// How long a client waits for an overlay that another one has.  Its predecessor
// may be gone and its overlay not yet saved; and a person would rather read an
// error than wait.
constexpr std::chrono::milliseconds overlay_patience{3000};

}  // namespace

LogreplayModule::LogreplayModule() : Module(Form::plugin, name, "logreplay-")
{
    ParameterValue log = takes::path(options_.log);
    log.once = "a log";
    add({
        {"log", log, "The log (the parameter that needs no key)"},
        {"base", takes::child(options_.base),
         "What the device held before: a path, an NBD URI or [ COMMAND ] (default: zeroes)"},
        {"size", takes::size(options_.size), "Of the device (default: the log or the base knows)"},
        {"point", takes::text("<STATE>", options_.point), "What the default export is"},
        {"discard",
         takes::choice(options_.discard, {{"zero", writelog::Discard::zero},
                                          {"keep", writelog::Discard::keep}}),
         "What is read where the device discarded"},
        {"overlay", takes::path(options_.overlay),
         "A folder that keeps what clients write (default: forget it)"},
        control().parameter("logreplay-control"),
    });
}

void LogreplayModule::config_complete()
{
    if (options_.log.empty()) {
        throw SetupError("log: which log?  Give nbdkit logreplay FILE");
    }
    if (!options_.overlay.empty() && !std::filesystem::is_directory(options_.overlay)) {
        throw SetupError(fmt::format("overlay={}: is no folder; make it first", options_.overlay));
    }
}

void LogreplayModule::get_ready(std::shared_ptr<Device>)
{
    if (options_.base) {
        OpenOptions read_only;
        read_only.writable = false;
        try {
            base_ = std::make_shared<BaseDevice>(open_child(*options_.base, read_only));
        } catch (const SetupError& error) {
            throw SetupError(fmt::format("base: {}", error.what()));
        }
    }
    recording_ = std::make_shared<Recording>(options_, base_);
    CommandTable& commands = control().commands();
    commands.add("query-status", "the log that is served: entries, flushes, marks, size", {},
                 [this](const Json&) { return recording()->status(); });
    commands.add("reload", "read the log again, for entries that were added since", {},
                 [this](const Json&) { return reload(); });
}

void LogreplayModule::after_fork()
{
    if (base_) {
        base_->start();
    }
}

std::shared_ptr<const Recording> LogreplayModule::recording() const
{
    const std::lock_guard lock(mutex_);
    return recording_;
}

/// What new connections get from now on.  If the log cannot be read, everything
/// stays as it is.
Json LogreplayModule::reload()
try {
    auto fresh = std::make_shared<Recording>(options_, base_);
    Json status = fresh->status();
    const std::lock_guard lock(mutex_);
    recording_ = std::move(fresh);
    return status;
} catch (const SetupError& error) {
    throw CommandError(error.what());
}

std::shared_ptr<Device> LogreplayModule::open(const Client& client)
{
    const auto recording = this->recording();
    return client.read_only ? recording->open(client.export_name)
                            : open_overlay(*recording, client.export_name);
}

/// As open(), but for an overlay that has no name and can do no harm.
std::shared_ptr<Device> LogreplayModule::preview(const Client& client)
{
    const auto recording = this->recording();
    return std::make_shared<OverlayDevice>(recording->open(client.export_name),
                                           OverlayStore::temporary(recording->size()));
}

std::shared_ptr<Device> LogreplayModule::open_overlay(const Recording& recording,
                                                      const std::string& export_name)
{
    std::shared_ptr<Device> state = recording.open(export_name);
    if (options_.overlay.empty()) {
        return std::make_shared<OverlayDevice>(std::move(state),
                                               OverlayStore::temporary(recording.size()));
    }
    const std::string& name = recording.resolve(export_name);
    auto store = OverlayStore::named(overlay_path(options_.overlay, name), recording.size(),
                                     recording.identity(export_name), overlay_patience);
    auto device = std::make_shared<OverlayDevice>(std::move(state), std::move(store));
    const std::lock_guard lock(mutex_);
    std::erase_if(overlays_, [](const auto& overlay) { return overlay.expired(); });
    overlays_.push_back(device);
    return device;
}

void LogreplayModule::cleanup()
{
    std::vector<std::weak_ptr<OverlayDevice>> overlays;
    {
        const std::lock_guard lock(mutex_);
        overlays.swap(overlays_);
    }
    // nbdkit does not close connections that are there when it ends.
    for (const auto& overlay : overlays) {
        if (const auto device = overlay.lock()) {
            if (const int error = device->save(); error != 0) {
                log::error("{}: the overlay could not be saved: {}", device->describe(),
                           std::strerror(error));
            }
        }
    }
    if (base_) {
        base_->stop(stop_limit);
    }
}

}  // namespace resilience::logreplay
