// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "filters/replication/core.h"

namespace resilience::replication {

/// Has the disk made durable, in the background, whenever the primary has written
/// some more: so that a checkpoint, which has to wait for that, need not wait long,
/// however much was written since the last one.
class Writeback {
public:
    explicit Writeback(std::shared_ptr<Core> core);

    void start();
    /// A thread that hangs in the disk is left behind after `limit`.
    void stop(std::chrono::milliseconds limit);

private:
    /// What the thread needs, however long it lives.
    struct State {
        std::shared_ptr<Core> core;
        std::mutex mutex;
        std::condition_variable changed;
        bool stopping = false;
        bool ended = false;

        void run();
    };

    const std::shared_ptr<State> state_;
    std::thread thread_;
};

}  // namespace resilience::replication
