// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "filters/replication/core.h"

namespace resilience::replication {

/// Gives back the space of what checkpoints have emptied, some time after them:
/// what is written again and again keeps its room, which is faster.  And lets the
/// change map settle.
class Reclaim {
public:
    explicit Reclaim(std::shared_ptr<Core> core);

    void start();
    /// A thread that hangs in the disk is left behind after `limit`.
    void stop(std::chrono::milliseconds limit);
    /// Something was emptied.
    void wake();

private:
    /// What the thread needs, however long it lives.
    struct State {
        std::shared_ptr<Core> core;
        std::mutex mutex;
        std::condition_variable changed;
        bool wanted = false;
        bool stopping = false;
        bool ended = false;

        void run();
        void clean(Layer& layer);
        bool stopped();
    };

    const std::shared_ptr<State> state_;
    std::thread thread_;
};

}  // namespace resilience::replication
