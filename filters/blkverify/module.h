// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// blkverify as a module of nbdkit: its parameters, and what is built from them.

#include <memory>
#include <optional>

#include "common/child/child_spec.h"
#include "common/nbdkit/module.h"
#include "filters/blkverify/options.h"
#include "filters/blkverify/reporter.h"
#include "filters/blkverify/verify_device.h"

namespace resilience::blkverify {

class BlkverifyModule final : public Module {
public:
    static constexpr const char* name = "blkverify";
    static constexpr const char* first_parameter = "blkverify-raw";
    static constexpr const char* longname = "nbdkit blkverify";
    static constexpr const char* description =
        "Compares a device under test with a reference that is known to be right,\n"
        "byte for byte, under the traffic of its clients.";

    /// The device under test is what is below: there is only a filter.
    static std::unique_ptr<Module> make(Form) { return std::make_unique<BlkverifyModule>(); }

    BlkverifyModule();

    void config_complete() override;
    std::chrono::milliseconds timeout() const override { return options_.timeout; }
    void get_ready(std::shared_ptr<Device> next) override;
    void after_fork() override { device_->start(); }
    std::shared_ptr<Device> open(const Client& client) override;
    void cleanup() override;

private:
    std::shared_ptr<Device> open_reference(const Device& test) const;
    void print_summary() const;

    Options options_;
    std::optional<ChildSpec> raw_;

    // What the parameters become.  The order is that of dependence.
    std::unique_ptr<Reporter> reporter_;
    std::shared_ptr<VerifyDevice> device_;
};

}  // namespace resilience::blkverify
