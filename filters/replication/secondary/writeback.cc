// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/writeback.h"

#include <utility>

namespace resilience::replication {

namespace {

constexpr std::chrono::milliseconds look_interval{50};
/// Less is soon made durable when it is needed.
constexpr std::uint64_t enough_bytes = 8 << 20;

}  // namespace

Writeback::Writeback(std::shared_ptr<Core> core)
    : thread_("repl-writeback", look_interval,
              [core = std::move(core)](const std::atomic<bool>&) {
                  if (core->unsynced >= enough_bytes) {
                      core->sync_disk();  // a failure is there for the next checkpoint to find
                  }
              })
{
}

}  // namespace resilience::replication
