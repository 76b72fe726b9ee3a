// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is found, as events, as lines of the log, and with OnMismatch::exit as
// the end of the process.

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "common/control/event_bus.h"
#include "common/core/log.h"
#include "filters/blkverify/observer.h"
#include "filters/blkverify/options.h"

namespace resilience::blkverify {

/// Bounds what a back end that is broken everywhere writes to the log: so many
/// lines at once, and one more in each interval.  Not thread-safe.
class LogBudget {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    explicit LogBudget(unsigned lines = 100,
                       std::chrono::milliseconds interval = std::chrono::seconds(10))
        : most_(lines), interval_(interval), left_(lines)
    {
    }

    /// Whether a line may be written now.
    bool take(TimePoint now);
    /// How many were refused since this was last asked.
    std::uint64_t take_refused() { return std::exchange(refused_, 0); }

private:
    const unsigned most_;
    const std::chrono::milliseconds interval_;
    unsigned left_;
    TimePoint refilled_{};
    std::uint64_t refused_ = 0;
};

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
    void log(log::Level level, const std::string& text);
    [[noreturn]] void exit(const std::string& text);

    EventBus& bus_;
    const Options options_;
    std::function<void()> before_exit_;
    std::mutex mutex_;       // of the log
    std::mutex exit_mutex_;  // the first one to exit is the only one to be heard
    LogBudget budget_;
};

}  // namespace resilience::blkverify
