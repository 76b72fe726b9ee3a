// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <memory>

#include "filters/replication/secondary/core.h"
#include "filters/replication/secondary/periodic.h"

namespace resilience::replication {

/// Has the disk made durable, in the background, whenever the primary has written
/// some more: so that a checkpoint, which has to wait for that, need not wait long,
/// however much was written since the last one.
class Writeback {
public:
    explicit Writeback(std::shared_ptr<Core> core);

    void start() { thread_.start(); }
    void stop(std::chrono::milliseconds limit) { thread_.stop(limit); }

private:
    Periodic thread_;
};

}  // namespace resilience::replication
