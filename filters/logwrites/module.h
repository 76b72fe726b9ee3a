// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// logwrites as a module of nbdkit: its parameters, and what is built from them.

#include <atomic>
#include <memory>
#include <optional>

#include "common/child/child_spec.h"
#include "common/nbdkit/module.h"
#include "filters/logwrites/control.h"
#include "filters/logwrites/log_scan.h"
#include "filters/logwrites/log_writer.h"
#include "filters/logwrites/options.h"
#include "filters/logwrites/recorder.h"
#include "filters/logwrites/reporter.h"

namespace resilience::logwrites {

class LogwritesModule final : public Module {
public:
    static constexpr const char* name = "logwrites";
    static constexpr const char* first_parameter = "logwrites-log";
    static constexpr const char* longname = "nbdkit logwrites";
    static constexpr const char* description =
        "Records every change of a device in the format of Linux's dm-log-writes, so\n"
        "that any state that a crash could leave behind can be looked at later.";

    static std::unique_ptr<Module> make(Form) { return std::make_unique<LogwritesModule>(); }

    LogwritesModule();

    void config_complete() override;
    void get_ready(std::shared_ptr<Device> next) override;
    void after_fork() override;
    std::shared_ptr<Device> open(const Client& client) override;
    std::shared_ptr<Device> preview(const Client&) override;
    void cleanup() override;

private:
    void open_storage();

    Options options_;
    std::optional<ChildSpec> log_;

    // What the parameters become.  The order is that of dependence.
    std::shared_ptr<Device> next_;
    Reporter reporter_{control().events()};
    std::unique_ptr<LogStorage> storage_;
    LogStart start_;
    std::unique_ptr<LogWriter> writer_;
    std::shared_ptr<Recorder> recorder_;
    std::atomic<std::uint32_t> connections_{0};
    std::unique_ptr<Control> commands_;
};

}  // namespace resilience::logwrites
