// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/reclaim.h"

#include <algorithm>
#include <utility>

namespace resilience::replication {

namespace {

constexpr std::chrono::seconds patience{3};
/// How much is locked at a time.
constexpr std::uint64_t window_bytes = 4 << 20;

void clean(Core& core, Layer& layer, const std::atomic<bool>& stopping)
{
    for (auto at = layer.next_space(0); at && *at < layer.size() && !stopping;) {
        const std::uint64_t begin = *at / window_bytes * window_bytes;
        const std::uint64_t end = std::min(layer.size(), begin + window_bytes);
        {
            const auto guard = core.lock_range(begin, end, LockMode::exclusive);
            if (!guard) {
                return;  // the disk hangs; another time
            }
            layer.give_back({begin, end});
        }
        at = layer.next_space(end);
    }
}

}  // namespace

Reclaim::Reclaim(std::shared_ptr<Core> core)
    : wanted_(std::make_shared<std::atomic<bool>>(false)),
      thread_("repl-reclaim", patience,
              [core = std::move(core), wanted = wanted_](const std::atomic<bool>& stopping) {
                  if (wanted->exchange(false)) {
                      clean(*core, *core->hidden, stopping);
                      clean(*core, *core->active, stopping);
                  }
                  if (core->changes) {
                      core->changes->settle();
                  }
              })
{
}

void Reclaim::start()
{
    wake();  // the files may be full of what was emptied before a crash
    thread_.start();
}

}  // namespace resilience::replication
