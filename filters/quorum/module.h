// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// quorum as a module of nbdkit: its parameters, and what is built from them.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/child/child_spec.h"
#include "common/nbdkit/module.h"
#include "filters/quorum/control.h"
#include "filters/quorum/options.h"
#include "filters/quorum/quorum_device.h"
#include "filters/quorum/reporter.h"

namespace resilience::quorum {

class QuorumModule final : public Module {
public:
    static constexpr const char* name = "quorum";
    static constexpr const char* first_parameter = "quorum-child";
    static constexpr const char* longname = "nbdkit quorum";
    static constexpr const char* description =
        "Keeps a device on several replicas: writes go to all, reads are voted on,\n"
        "replicas that lie, hang or die are reported, set aside and healed.";
    static constexpr const char* alternative = "nbdkit quorum SPEC SPEC...";
    static constexpr const char* magic_config_key = "quorum-child";

    static std::unique_ptr<Module> make(Form form) { return std::make_unique<QuorumModule>(form); }

    explicit QuorumModule(Form form);

    void config_complete() override;
    std::chrono::milliseconds timeout() const override;
    void get_ready(std::shared_ptr<Device> next) override;
    void after_fork() override { device_->start(); }
    std::shared_ptr<Device> open(const Client&) override { return device_; }
    void cleanup() override;

private:
    /// A child as the command line describes it.
    struct ChildParameters {
        std::string label;              ///< of quorum-child.LABEL: a name or a place; or empty
        std::optional<ChildSpec> spec;  ///< none: only options have been given (or: child 0)
        std::optional<std::chrono::milliseconds> timeout;
        bool direct = false;
        bool lock = true;
        std::vector<std::string> storage;  ///< what is in it, as far as that is known
    };

    ChildParameters& labelled(std::string_view label);
    void arrange();
    void check_duplicates();
    std::chrono::milliseconds timeout_of(const ChildParameters& child) const;
    OpenOptions options_of(const ChildParameters& child) const;
    std::shared_ptr<Device> open_spec(const ChildSpec& spec, const OpenOptions& options,
                                      const std::string& label) const;

    Options options_;
    std::optional<std::string> threshold_;  // as it was given
    std::vector<ChildParameters> given_;  // in the order of the command line
    std::vector<ChildParameters> children_;  // in child order

    // What the parameters become.  The order is that of dependence.
    std::unique_ptr<Reporter> reporter_;
    std::shared_ptr<QuorumDevice> device_;
    std::unique_ptr<Control> commands_;
};

}  // namespace resilience::quorum
