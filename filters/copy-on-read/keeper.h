// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "common/thread/background_thread.h"
#include "filters/copy-on-read/engine.h"

namespace resilience::cor {

/// What is done in a while: states and data become durable, the trace is
/// written, and a copy that has become complete lets the source go.  One
/// thread; it uses nothing but local files.
class Keeper {
public:
    explicit Keeper(Engine& engine) : engine_(engine) {}
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;
    ~Keeper() { stop(); }

    void start() { thread_.start(); }
    /// Ends the thread and does all of it a last time.
    void stop();

private:
    TimePoint turn();
    void sync();
    void check_complete();

    Engine& engine_;
    bool complete_ = false;  ///< has been dealt with
    TimePoint next_sync_ = TimePoint::max();  ///< from the first turn on
    BackgroundThread thread_{"cor-keeper", [this](const auto&) { return turn(); }};
};

}  // namespace resilience::cor
