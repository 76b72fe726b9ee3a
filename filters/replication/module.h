// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// replication as a module of nbdkit: its parameters, and what is built of them.

#include <memory>
#include <vector>

#include "common/nbdkit/module.h"
#include "filters/replication/control.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/pair/side.h"

namespace resilience::replication {

class ReplicationModule final : public Module {
public:
    static constexpr const char* name = "replication";
    static constexpr const char* first_parameter = "replication-secondary";
    static constexpr const char* longname = "nbdkit replication";
    static constexpr const char* description =
        "Keeps a second disk on another host that can take over: checkpoints, failover\n"
        "and failback (COLO's block replication).";
    static constexpr const char* alternative =
        "use a plugin that serves requests in parallel, such as file or nbd";

    static std::unique_ptr<Module> make(Form) { return std::make_unique<ReplicationModule>(); }

    ReplicationModule();

    void config_complete() override;
    std::chrono::milliseconds timeout() const override { return options_.timeout; }
    void get_ready(std::shared_ptr<Device> next) override;
    void after_fork() override;
    std::shared_ptr<Device> open(const Client& client) override { return side_->open(client); }
    std::vector<Export> exports() const override { return side_->exports(); }
    void cleanup() override;

private:
    void check_side();
    void check_paths() const;

    Options options_;

    // What the parameters become.  The order is that of dependence.
    std::unique_ptr<Side> side_;
    std::unique_ptr<Control> commands_;
};

}  // namespace resilience::replication
