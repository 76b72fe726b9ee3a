// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/held.h"

#include <cstring>

#include <fmt/format.h>

namespace resilience::replication {

namespace {

void sync_disk(Core& core)
{
    if (const int error = core.sync_disk()) {
        throw CommandError(fmt::format(
            "the disk cannot be made durable: {}; nothing has changed.  What it has lost nobody "
            "knows: put it right and start this server again, and what was written since the last "
            "checkpoint is copied again",
            std::strerror(error)));
    }
}

}  // namespace

Held::Held(Core& core, bool durable) : core_(core)
{
    // Most of it while I/O goes on, so that the pause is short whatever is dirty.
    const std::uint64_t seen = core_.writes;
    if (durable) {
        sync_disk(core_);
    }
    guard_ = core_.lock_all();
    if (!guard_) {
        throw CommandError("requests that are being carried out do not end: the disk hangs; "
                           "nothing has changed");
    }
    began_ = real_clock().now();
    if (durable && core_.writes != seen) {
        sync_disk(core_);
    }
}

void Held::let_go()
{
    const auto pause = real_clock().now() - began_;
    core_.counters.last_pause_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(pause).count());
    guard_.release();
}

}  // namespace resilience::replication
