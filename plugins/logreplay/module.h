// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// logreplay as a module of nbdkit: a log of writes as a time machine.
//
// The name of an export is a state of the device, such as "flush:12" or
// "e44:torn=144:0" (common/replay/point.h).  Nothing is replayed and nothing
// is copied: a client gets a map of where each byte of that state is, in the
// base image or in the log, and over it, if it may write, an overlay.
//
// An overlay belongs to one connection.  Two clients that look at the same
// state, say a checker that repairs and one that only reads, must not disturb
// each other, and a checker must begin anew when it connects anew.  So a
// second connection of the same client sees nothing of what the first one has
// written, and the server says so (no multi-conn), as long as it can be
// written at all.
//
// The log may be one that is still being recorded.  What counts are the
// entries of the moment when nbdkit was started, or was told to `reload`;
// connections keep what they began with.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/nbdkit/module.h"
#include "common/store/overlay_device.h"
#include "plugins/logreplay/options.h"
#include "plugins/logreplay/recording.h"

namespace resilience::logreplay {

class LogreplayModule final : public Module {
public:
    static constexpr const char* name = "logreplay";
    static constexpr const char* longname = "nbdkit logreplay";
    static constexpr const char* description =
        "Serves any point of a dm-log-writes log, and any state that a crash there\n"
        "could have left, as an export of that name.";
    static constexpr const char* magic_config_key = "log";

    static std::unique_ptr<Module> make(Form) { return std::make_unique<LogreplayModule>(); }

    LogreplayModule();

    void config_complete() override;
    void get_ready(std::shared_ptr<Device> next) override;
    void after_fork() override;
    std::shared_ptr<Device> open(const Client& client) override;
    std::shared_ptr<Device> preview(const Client& client) override;
    std::vector<Export> exports() const override { return recording()->exports(); }
    void cleanup() override;

private:
    std::shared_ptr<const Recording> recording() const;
    Json reload();
    std::shared_ptr<Device> open_overlay(const Recording& recording, const std::string& export_name);

    Options options_;
    std::shared_ptr<Device> base_;
    mutable std::mutex mutex_;
    std::shared_ptr<const Recording> recording_;          // never null from get_ready() on
    std::vector<std::weak_ptr<OverlayDevice>> overlays_;  // those with a name
};

}  // namespace resilience::logreplay
