// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Threads for devices whose work is blocking calls.
//
// Each such device has a pool of its own.  With one for all, a single child
// that hangs would collect the threads one by one, and the healthy children
// would starve behind it.
//
// A thread that hangs in the kernel can be neither interrupted nor joined.
// stop() leaves it behind, so nothing it may touch when it wakes up, perhaps
// hours later, may belong to somebody who has gone: what threads use lives in
// a State that they share by shared_ptr, and a job owns all that it needs.
//
// Threads are made on demand and stay until stop().  An idle thread costs
// nothing, and a process that was started by a thread may be killed when that
// thread ends (PR_SET_PDEATHSIG belongs to threads, not to processes).

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace resilience {

/// A pool of threads.  All members may be called from any thread.
class WorkerPool {
public:
    /// What is to be done; never throws.
    using Run = std::function<void()>;
    /// Called with an errno in place of `run`, if the job will never be run,
    /// or beside it, if `run` still hangs when stop() gives up: who comes
    /// first is for the job to settle.  Must not block, never throws.
    using Cancel = std::function<void(int error)>;

    /// Starts no thread.  `name` is that of the threads (15 characters).
    explicit WorkerPool(std::string name, unsigned max_threads = 16);
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    /// Stops without waiting, if stop() has not been called.
    ~WorkerPool();

    /// Jobs are taken from now on; threads are made when jobs need them.
    void start();

    /// Queues a job.  It is cancelled at once, on this thread, with ESHUTDOWN
    /// before start() and after stop(), with EAGAIN if no thread can be made.
    void submit(Run run, Cancel cancel);

    /// Takes no more jobs, cancels those that have not begun with ESHUTDOWN,
    /// and waits at most `limit` for those that have.  What still runs then is
    /// cancelled too, and its thread left behind.
    void stop(std::chrono::milliseconds limit);

    /// How many threads there are, for tests and metrics.
    unsigned threads() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace resilience
