// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "filters/replication/core.h"

namespace resilience::replication {

/// Gives back the space of what checkpoints have emptied, some time after them:
/// what is written again and again keeps its room, which is faster.
class Reclaim {
public:
    explicit Reclaim(std::shared_ptr<Core> core) : core_(std::move(core)) {}

    void start();
    void stop();
    /// Something was emptied.
    void wake();

private:
    void run();
    void clean(Layer& layer);
    bool stopped();

    const std::shared_ptr<Core> core_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool wanted_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace resilience::replication
