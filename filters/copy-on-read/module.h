// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// copy-on-read as a module of nbdkit: its parameters, and what is built from
// them.

#include <memory>
#include <optional>

#include "common/child/child_spec.h"
#include "common/nbdkit/module.h"
#include "filters/copy-on-read/control.h"
#include "filters/copy-on-read/cor_device.h"
#include "filters/copy-on-read/keeper.h"
#include "filters/copy-on-read/options.h"
#include "filters/copy-on-read/stream.h"

namespace resilience::cor {

class CorModule final : public Module {
public:
    static constexpr const char* name = "copy-on-read";
    static constexpr const char* first_parameter = "cor-file";
    static constexpr const char* longname = "nbdkit copy-on-read";
    static constexpr const char* description =
        "Keeps in a local file, for good, what is read from a slow source.";
    static constexpr const char* alternative = "use nbdkit copy-on-read SOURCE cor-file=PATH";
    static constexpr const char* magic_config_key = "cor-source";

    static std::unique_ptr<Module> make(Form form) { return std::make_unique<CorModule>(form); }

    explicit CorModule(Form form);

    void config_complete() override;
    std::chrono::milliseconds timeout() const override { return options_.timeout; }
    void get_ready(std::shared_ptr<Device> next) override;
    void after_fork() override;
    std::shared_ptr<Device> open(const Client& client) override;
    void cleanup() override;

private:
    void name_source_below();
    OpenOptions source_options() const;
    std::shared_ptr<Device> open_source() const;
    std::shared_ptr<Device> try_source(bool can_do_without) const;
    void check_stream() const;
    void check_content(const std::optional<std::uint64_t>& expected) const;
    Source::Setup source_setup(std::shared_ptr<Device> device, const LocalCopy& copy);

    Options options_;
    std::optional<ChildSpec> source_;  // plugin form

    // What the parameters become.  The order is that of dependence.
    std::shared_ptr<Engine> engine_;
    std::shared_ptr<CorDevice> device_;
    std::shared_ptr<PassingDevice> passing_;
    std::unique_ptr<Keeper> keeper_;
    std::unique_ptr<Stream> stream_;
    std::unique_ptr<Control> commands_;
};

}  // namespace resilience::cor
