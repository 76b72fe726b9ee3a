// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/thread/clock.h"

namespace resilience {

/// A thread of a module that does something again and again beside its clients'
/// requests, until it is stopped or has no more to do.
///
/// An exception of its work is logged, once for each text until a turn goes well
/// again, and the work is tried again after a second: a background thread that
/// cannot get memory must not end the server.
///
/// A thread that hangs in the kernel can be neither interrupted nor joined, so
/// stop() leaves it behind after its limit.  Whoever counts on that lets `turn`
/// own what it uses; who cannot stops with no_limit.
///
/// start() and stop() are for one thread; wake() and running() for any.
class BackgroundThread {
public:
    /// Does a piece of the work, and looks at `stopping` now and then if that takes
    /// long.  Returns when its next turn is (by the real clock; a time that has
    /// passed: at once), or nullopt when all is done: then the thread ends.
    using Turn = std::function<std::optional<TimePoint>(const std::atomic<bool>& stopping)>;

    static constexpr std::chrono::milliseconds no_limit = std::chrono::milliseconds::max();

    /// `name` is that of the thread, of which the kernel keeps 15 characters.
    BackgroundThread(std::string name, Turn turn);
    BackgroundThread(const BackgroundThread&) = delete;
    BackgroundThread& operator=(const BackgroundThread&) = delete;
    /// Waits for the thread if stop() has not been called.
    ~BackgroundThread();

    /// The first turn comes at once.  Does nothing while the thread runs; may be
    /// called again after stop() and after an end.  Throws std::system_error if the
    /// machine has no thread left.
    void start();
    /// The next turn comes at once; does nothing if the thread does not run.
    void wake();
    /// Ends it after the turn that runs.  Returns false if that has not ended
    /// within `limit`: then the thread has been left behind.
    bool stop(std::chrono::milliseconds limit);
    /// Whether the thread lives: false before start(), after stop() and after an end.
    bool running() const;

private:
    struct State;

    std::shared_ptr<State> state() const;

    const std::string name_;
    const Turn turn_;
    mutable std::mutex mutex_;
    std::shared_ptr<State> state_;  ///< of the thread that was started last; under mutex_
};

}  // namespace resilience
