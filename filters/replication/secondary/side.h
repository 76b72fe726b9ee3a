// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "common/device/blocking_device.h"
#include "filters/replication/pair/side.h"
#include "filters/replication/secondary/actions.h"
#include "filters/replication/secondary/core.h"
#include "filters/replication/secondary/merge.h"
#include "filters/replication/secondary/reclaim.h"
#include "filters/replication/secondary/writeback.h"

namespace resilience::replication {

/// The secondary, put together; core.h says how it works.
class SecondarySide final : public Side {
public:
    SecondarySide(const Options& options, EventBus& events) : options_(options), events_(events) {}

    void get_ready(std::shared_ptr<Device> next, bool background) override;
    void after_fork() override;
    std::shared_ptr<Device> open(const Client& client) override;
    std::vector<Export> exports() const override;
    void cleanup() override;

    State state() const override { return core_->state; }
    std::optional<std::string> get_error() const override
    {
        return replication_error(core_->state, core_->sticky != 0);
    }
    std::unique_ptr<Prepared> prepare(const Asked& asked) override
    {
        return actions_->prepare(asked);
    }
    Json query() const override;
    std::uint64_t moment() const override { return core_->hidden->header_copy().moment; }

private:
    void resume();

    const Options options_;
    EventBus& events_;
    std::shared_ptr<Core> core_;
    std::shared_ptr<Device> view_;
    std::unique_ptr<Merge> merge_;
    std::unique_ptr<Reclaim> reclaim_;
    std::unique_ptr<Writeback> writeback_;
    std::unique_ptr<Actions> actions_;
};

}  // namespace resilience::replication
