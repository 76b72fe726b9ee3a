// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a quorum has to say, as QMP events (with QEMU's names, fields and rate
// limits, and a few fields of our own) and as lines of the log.

#include <map>
#include <string>

#include "common/control/event_bus.h"
#include "common/core/log_budget.h"
#include "filters/quorum/observer.h"

namespace resilience::quorum {

class Reporter final : public Observer {
public:
    /// `name` is the quorum's, as in the "reference" of QUORUM_FAILURE.
    Reporter(EventBus& bus, std::string name);
    ~Reporter() override;

    void report_bad(const Child& child, const BadReport& report) override;
    void failure(ByteRange range) override;
    void state_changed(const Child& child, ChildState from, ChildState to,
                       const std::string& reason) override;
    void speed_changed(const Child& child, const SpeedReport& report) override;
    void resync_started(const Child& child, std::uint64_t bytes) override;
    void resync_completed(const Child& child, std::uint64_t bytes) override;
    void resync_blocked(const Child& child, ByteRange range) override;
    void foreign(const Child& child, const std::string& why) override;
    void child_added(const Child& child) override;
    void child_removed(const Child& child) override;
    void fenced() override;
    /// Lets events pass whose second is over, where no control socket does.
    void housekeep(TimePoint now) override;
    /// As QEMU: says where, and ends the process with status 1.
    [[noreturn]] void blkverify_mismatch(ByteRange range, std::uint64_t first) override;

private:
    void log(const Event& event);

    EventBus& bus_;
    const std::string name_;
    /// Of each child's faults, and of the quorum's under its own name.  The bus
    /// calls its listeners one after the other, so they need no lock.
    std::map<std::string, LogBudget> budgets_;
    int log_listener_;
};

}  // namespace resilience::quorum
