// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "filters/replication/secondary/core.h"

namespace resilience::replication {

/// The work of a failover, on a thread of its own, while I/O goes on: what the
/// secondary sees is written into the disk, piece by piece, each under an
/// exclusive lock.  A crash does no harm: nothing is taken out of active and
/// hidden before all of it is in the disk, durably, so the merge begins again.
class Merge {
public:
    explicit Merge(std::shared_ptr<Core> core) : core_(std::move(core)) {}

    /// Begins.  The state is failover already.  Once per failover.
    void start();
    /// Ends the thread; the merge goes on at the next start of the server.  A
    /// thread that hangs in the disk is left behind after `limit`.
    void stop(std::chrono::milliseconds limit);

private:
    static void run(const std::shared_ptr<Core>& core, const std::atomic<bool>& stopping);

    const std::shared_ptr<Core> core_;
    std::shared_ptr<std::atomic<bool>> stopping_;
    std::future<void> ended_;
    std::thread thread_;
};

}  // namespace resilience::replication
