// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What happens, told to whoever listens: control clients, and the log.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/control/json_fwd.h"

namespace resilience {

struct Event;

/// Distributes events.  Thread-safe; no call waits for a client.
class EventBus {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    /// Called with each event that passes, in one order for all listeners.
    /// Must be quick and must not call into the bus.
    using Listener = std::function<void(const Event&)>;
    /// Called when next_deadline() may have become earlier; the same rules.
    using Waker = std::function<void()>;

    EventBus();
    ~EventBus();
    EventBus(const EventBus&) = delete;
    EventBus& operator=(const EventBus&) = delete;

    /// Something happened.  With a `throttle_key`, events of this name and
    /// key are limited to one per second (see RateLimit): give the child's
    /// name for a limit per child, a constant for a limit over all.  Without
    /// one, every event passes.  An event with no listener is lost, but
    /// counts for the limit.
    void emit(std::string name, Json data, std::string throttle_key = {});

    /// Adds a listener, and returns its number.  `waker` is for listeners
    /// that drive the timer, that is, call run_due() in time.
    int add_listener(Listener listener, Waker waker = {});
    /// Once this returns, the listener is not running and never will again.
    void remove_listener(int number);

    /// When run_due() has something to do next.
    std::optional<TimePoint> next_deadline() const;
    /// Lets the events pass whose second is over.  The control server calls
    /// this in time; where there is none, any periodic thread may (and else
    /// emit() does, late).
    void run_due(TimePoint now);

private:
    struct State;
    const std::unique_ptr<State> state_;
};

}  // namespace resilience
