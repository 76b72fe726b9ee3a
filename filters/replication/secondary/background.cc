// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/background.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "filters/replication/secondary/serve.h"

namespace resilience::replication {

namespace {

// ---- merge

constexpr std::uint64_t piece_bytes = 1 << 20;

/// The next byte that is in active or hidden; the size of the disk if none is.
std::uint64_t next_byte(const Core& core, std::uint64_t from)
{
    const auto next = [from](const Layer& layer) {
        return std::min(layer.begin_of(layer.next_present(from / layer.cluster_size())),
                        layer.size());
    };
    return std::min(next(*core.active), next(*core.hidden));
}

int merge_all(Core& core, const std::atomic<bool>& stopping)
{
    for (std::uint64_t at = 0; at < core.size() && !stopping;) {
        const std::uint64_t begin = std::max(at, next_byte(core, at) / piece_bytes * piece_bytes);
        const std::uint64_t end = std::min(core.size(), begin + piece_bytes);
        const auto guard = core.lock_range(begin, end, LockMode::exclusive);
        if (!guard) {
            return ETIMEDOUT;
        }
        if (begin < end) {
            if (const int error = merge_range(core, {begin, end})) {
                core.reporter.io_error("merging into the disk", begin, end - begin, error);
                return error;
            }
        }
        core.merged_until = end;
        at = end;
    }
    return stopping ? ECANCELED : 0;
}

int finish(Core& core)
{
    Request flush;
    flush.op = Op::flush;
    if (const int error = core.disk->execute(flush)) {  // most of it without the lock
        return error;
    }
    const auto guard = core.lock.acquire_all(core.deadline());
    if (!guard) {
        return ETIMEDOUT;
    }
    if (const int error = core.disk->execute(flush)) {
        return error;
    }
    LayerHeader header = core.header();
    header.state = State::done;
    header.syncing = false;
    header.nothing_saved = false;
    if (const int error = core.set_header(header, true)) {
        return error;
    }
    core.set_identity(note_merged(core.identity()));  // if it fails: at the next start
    core.state = State::done;
    core.sticky = 0;
    core.reporter.clear();
    return 0;
}

void fail(Core& core, int error)
{
    const auto guard = core.lock.acquire_all(core.deadline());
    LayerHeader header = core.header();
    header.state = State::failover_failed;
    core.set_header(header, false);  // if not even this works, it is merged again
    core.note_error(error);
    core.state = State::failover_failed;
}

/// The work of a failover.  The disk may hang, so it is the thread's own.
void merge(Core& core, const std::atomic<bool>& stopping)
{
    if (core.state != State::failover) {
        return;  // it was done already when the last turn threw
    }
    int error = merge_all(core, stopping);
    if (error == 0) {
        error = finish(core);
    }
    if (stopping) {
        return;
    }
    if (error != 0) {
        fail(core, error);
    }
    core.reporter.state(core.state, core.identity().epoch);
}

// ---- reclaim

constexpr std::chrono::seconds patience{3};
/// How much is locked at a time.
constexpr std::uint64_t window_bytes = 4 << 20;

/// Whether it came to the end.
bool give_back(Core& core, Layer& layer, const std::atomic<bool>& stopping)
{
    for (auto at = layer.next_space(0); at && *at < layer.size() && !stopping;) {
        const std::uint64_t begin = *at / window_bytes * window_bytes;
        const std::uint64_t end = std::min(layer.size(), begin + window_bytes);
        {
            const auto guard = core.lock_range(begin, end, LockMode::exclusive);
            if (!guard) {
                return false;  // the disk hangs; another time
            }
            layer.give_back({begin, end});
        }
        at = layer.next_space(end);
    }
    return true;
}

// ---- write-back

constexpr std::chrono::milliseconds look_interval{50};
/// Less is soon made durable when it is needed.
constexpr std::uint64_t enough_bytes = 8 << 20;

}  // namespace

Background::Background(std::shared_ptr<Core> core)
    : timeout_(core->options.timeout),
      merge_("repl-merge",
             [core](const std::atomic<bool>& stopping) {
                 merge(*core, stopping);
                 return std::nullopt;
             }),
      // At first the files may be full of what was emptied before a crash.
      reclaim_("repl-reclaim",
               [core, done = std::numeric_limits<std::uint64_t>::max()](
                   const std::atomic<bool>& stopping) mutable {
                   const std::uint64_t emptied = core->emptied;
                   if (emptied != done && give_back(*core, *core->hidden, stopping) &&
                       give_back(*core, *core->active, stopping)) {
                       done = emptied;
                   }
                   if (core->changes) {
                       core->changes->settle();
                   }
                   return real_clock().now() + patience;
               }),
      write_back_("repl-writeback", [core](const std::atomic<bool>&) {
          if (core->unsynced >= enough_bytes) {
              core->sync_disk();  // a failure is there for the next checkpoint to find
          }
          return real_clock().now() + look_interval;
      })
{
}

void Background::start()
{
    reclaim_.start();
    write_back_.start();
}

void Background::begin_merge()
{
    merge_.stop(timeout_);  // one that has failed, and is about to end
    merge_.start();
}

void Background::stop(std::chrono::milliseconds limit)
{
    merge_.stop(limit);
    reclaim_.stop(limit);
    write_back_.stop(limit);
}

}  // namespace resilience::replication
