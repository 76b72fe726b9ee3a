// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the secondary does beside the requests of its clients.
//
//   merge       A failover: what the secondary sees is written into the disk, piece
//               by piece, each under an exclusive lock, while I/O goes on.  A crash
//               does no harm: nothing is taken out of active and hidden before all
//               of it is in the disk, durably, so the merge begins again.
//   reclaim     The space of what checkpoints have emptied is given back, some time
//               after them: what is written again and again keeps its room, which
//               is faster.  And the change map settles.
//   write-back  The disk is made durable whenever the primary has written some more:
//               so that a checkpoint, which has to wait for that, need not wait
//               long, however much was written since the last one.

#include <chrono>
#include <memory>

#include "common/thread/background_thread.h"
#include "filters/replication/secondary/core.h"

namespace resilience::replication {

class Background {
public:
    explicit Background(std::shared_ptr<Core> core);

    void start();
    /// The state is failover already.  Once per failover.
    void begin_merge();
    /// A merge that has not ended goes on at the next start of the server.  Threads
    /// that hang in the disk are left behind after `limit` each.
    void stop(std::chrono::milliseconds limit);

private:
    const std::chrono::milliseconds timeout_;
    BackgroundThread merge_;
    BackgroundThread reclaim_;
    BackgroundThread write_back_;
};

}  // namespace resilience::replication
