// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is found, as events, as lines of the log, and with OnMismatch::exit as
// the end of the process.

#include <functional>
#include <mutex>
#include <string>

#include "common/control/event_bus.h"
#include "common/core/log.h"
#include "common/core/log_budget.h"
#include "filters/blkverify/observer.h"
#include "filters/blkverify/options.h"

namespace resilience::blkverify {

/// Thread-safe.
class Reporter final : public Observer {
public:
    Reporter(EventBus& bus, const Options& options) : bus_(bus), options_(options) {}

    /// Called before the process is ended by a mismatch; set before use.
    void before_exit(std::function<void()> callback) { before_exit_ = std::move(callback); }

    void mismatch(const Mismatch& mismatch) override;
    void reference_lost(const std::string& reason) override;
    void reference_back(std::uint64_t untrusted) override;

private:
    /// See LogBudget; `number` stands before `how`, and is another each time.
    void log(log::Level level, const std::string& what, const std::string& how,
             const std::string& number = {});
    [[noreturn]] void exit(const std::string& text);

    EventBus& bus_;
    const Options options_;
    std::function<void()> before_exit_;
    std::mutex mutex_;       // of the log
    std::mutex exit_mutex_;  // the first one to exit is the only one to be heard
    LogBudget budget_;
};

}  // namespace resilience::blkverify
