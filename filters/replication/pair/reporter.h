// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "common/control/event_bus.h"
#include "filters/replication/pair/state.h"

namespace resilience::replication {

/// Says what happens: to the log, and as an event to who listens.  Thread-safe.
class Reporter {
public:
    Reporter(std::string name, EventBus& events) : name_(std::move(name)), events_(events) {}

    void state(State now, std::uint64_t epoch);
    /// Saving, writing or merging failed; once until clear().
    void io_error(const char* what, std::uint64_t offset, std::uint64_t length, int error);
    void clear() { failing_ = false; }
    void checkpoint(std::uint64_t number);
    void session(const std::string& text);
    void refused(const std::string& why);

private:
    const std::string name_;
    EventBus& events_;
    std::atomic<bool> failing_{false};
};

}  // namespace resilience::replication
