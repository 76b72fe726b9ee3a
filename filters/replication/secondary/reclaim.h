// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "filters/replication/secondary/core.h"
#include "filters/replication/secondary/periodic.h"

namespace resilience::replication {

/// Gives back the space of what checkpoints have emptied, some time after them:
/// what is written again and again keeps its room, which is faster.  And lets the
/// change map settle.
class Reclaim {
public:
    explicit Reclaim(std::shared_ptr<Core> core);

    void start();
    void stop(std::chrono::milliseconds limit) { thread_.stop(limit); }
    /// Something was emptied.
    void wake() { *wanted_ = true; }

private:
    const std::shared_ptr<std::atomic<bool>> wanted_;
    Periodic thread_;
};

}  // namespace resilience::replication
