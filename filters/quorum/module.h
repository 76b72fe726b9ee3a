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
#include "filters/quorum/memory_open.h"
#include "filters/quorum/memory_plan.h"
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

        std::string name() const;  ///< empty: it has none, the label is a place
    };

    /// What is remembered, and what a person says where that is not enough.
    struct MemoryParameters {
        bool none = true;                         ///< quorum-memory=none
        std::vector<ChildSpec> named;             ///< else; empty: beside the children
        Wishes wishes;
        std::optional<std::chrono::milliseconds> start_timeout;
    };
    /// A child, opened or not.
    struct Found {
        std::shared_ptr<Device> device;  ///< null: it is not there
        std::string missing;             ///< why
        std::string label;               ///< for people
        bool unchecked = false;          ///< it has to be compared with the witness yet
    };

    void set_memory(const Given& given);
    void set_create(const Given& given);
    ChildParameters& labelled(std::string_view label);
    void arrange();
    void check_duplicates();
    std::chrono::milliseconds timeout_of(const ChildParameters& child) const;
    OpenOptions options_of(const ChildParameters& child) const;
    std::shared_ptr<Device> open_spec(const ChildSpec& spec, const OpenOptions& options,
                                      const std::string& label) const;

    Found open_found(const ChildParameters& child, std::shared_ptr<Device> next,
                     bool may_be_missing) const;
    std::vector<NewChild> open_all(std::shared_ptr<Device> next);
    std::vector<NewChild> open_remembered(std::shared_ptr<Device> next);
    std::string path_of(const ChildParameters& child) const;
    std::vector<Candidate> candidates(const std::vector<Found>& found) const;
    void compare(const memoryfile::Content& memory, std::vector<Candidate>& candidates,
                 std::vector<Found>& found) const;
    std::shared_ptr<Device> away(const ChildParameters& child, const Found& found,
                                 const Device& peer) const;
    NewChild new_child(const ChildParameters& child, std::shared_ptr<Device> device) const;
    memoryfile::Content begin_content(const Plan& plan, const std::vector<Candidate>& candidates,
                                      std::vector<NewChild>& children) const;
    bool remembers() const;

    Options options_;
    MemoryParameters memory_parameters_;
    std::optional<std::string> threshold_;  // as it was given
    std::vector<ChildParameters> given_;  // in the order of the command line
    std::vector<ChildParameters> children_;  // in child order

    // What the parameters become.  The order is that of dependence.
    std::unique_ptr<Reporter> reporter_;
    // Until the device has its memory, which is made when nothing else can be wrong.
    std::unique_ptr<FoundMemory> found_memory_;
    memoryfile::Content content_;
    std::string truth_;               // the child that all others are to become; or empty
    std::shared_ptr<QuorumDevice> device_;
    std::unique_ptr<Control> commands_;
};

}  // namespace resilience::quorum
