// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace resilience::replication {

/// A thread of the secondary that does something again and again in the background,
/// with a pause before each time.
class Periodic {
public:
    /// One time.  A long one looks at `stopping` now and then.  It has to keep alive
    /// whatever it uses: it may outlive its Periodic.
    using Turn = std::function<void(const std::atomic<bool>& stopping)>;

    Periodic(const char* name, std::chrono::milliseconds pause, Turn turn);

    void start();
    /// A thread that hangs in the disk is left behind after `limit`.
    void stop(std::chrono::milliseconds limit);

private:
    /// What the thread needs, however long it lives.
    struct State {
        std::chrono::milliseconds pause;
        Turn turn;
        std::mutex mutex;
        std::condition_variable changed;
        std::atomic<bool> stopping{false};
        bool ended = false;

        void run();
    };

    const char* const name_;
    const std::shared_ptr<State> state_;
    std::thread thread_;
};

}  // namespace resilience::replication
