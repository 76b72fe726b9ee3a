// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

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

    void start();
    /// Ends the thread and does all of it a last time.
    void stop();

private:
    void run();
    void sync();
    void check_complete();

    Engine& engine_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    bool complete_ = false;  ///< has been dealt with
    std::thread thread_;
};

}  // namespace resilience::cor
