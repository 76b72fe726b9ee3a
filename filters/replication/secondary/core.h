// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The secondary: what its parts share.
//
// A primary somewhere writes into the export `primary`, all the time; what
// counts is the disk as it was at the last checkpoint.  So before a write of the
// primary changes a cluster, its old content goes to hidden, once per
// checkpoint, durably.  What the secondary's own machine sees (the default
// export) is active, else hidden, else the disk: the checkpoint, and its own
// writes on top.  A checkpoint empties both.  A failover writes what is seen
// into the disk.
//
//   write.cc            the primary's requests: save, then write
//   view.cc             the secondary's own requests
//   actions.cc          start, checkpoint, stop, failover: prepare, commit
//   obey.cc             the primary's commands, which come by control_export.cc
//   background.cc       the failover's work; giving back space; keeping what is
//                       not durable small
//
// One range lock orders everything, on whole clusters:
//
//   the primary's read, the view's read   shared
//   the primary's write, the view's write,
//   a piece of the merge, giving back     exclusive
//   a flush                               the lane
//   whatever changes the state            everything
//
// So what is looked at under a lock (state, fence, generation) stays as it is
// until the lock is let go, and nobody needs a second look.  Every wait for the
// lock has a deadline: a disk that hangs keeps those who use it, and everybody
// else gets an error.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "common/control/event_bus.h"
#include "common/core/log_budget.h"
#include "common/device/device.h"
#include "common/device/range_lock.h"
#include "common/file/sync_ledger.h"
#include "common/store/change_map.h"
#include "filters/replication/pair/identity.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/pair/pair.h"
#include "filters/replication/pair/state.h"
#include "filters/replication/secondary/layer.h"

namespace resilience::replication {

/// Says what happens: to the log, and as an event to who listens.  Thread-safe.
class Reporter {
public:
    Reporter(std::string name, EventBus& events) : name_(std::move(name)), events_(events) {}

    void state(State now, std::uint64_t epoch);
    /// Saving, writing or merging failed; once until clear().
    void io_error(const char* what, std::uint64_t offset, std::uint64_t length, int error);
    void clear() { failing_ = false; }
    void checkpoint(std::uint64_t number);
    void session(const std::string& text);
    void refused(const std::string& why);

private:
    const std::string name_;
    EventBus& events_;
    std::atomic<bool> failing_{false};
    std::mutex mutex_;     ///< of refusals_
    LogBudget refusals_;
};

/// What is counted; exact, since the start of the server.
struct SecondaryCounters {
    std::atomic<std::uint64_t> saved_bytes{0};      ///< into hidden, zeroes included
    std::atomic<std::uint64_t> saves{0};            ///< writes that had to save something
    std::atomic<std::uint64_t> written_bytes{0};    ///< by the primary
    std::atomic<std::uint64_t> save_errors{0};
    std::atomic<std::uint64_t> write_errors{0};     ///< of the disk, writing for the primary
    std::atomic<std::uint64_t> refused{0};          ///< requests to `primary` that may not
    std::atomic<std::uint64_t> checkpoints{0};
    std::atomic<std::uint64_t> last_pause_us{0};    ///< how long the last checkpoint held I/O
};

/// Bytes per bit of a change map.
constexpr std::uint32_t difference_granularity = 64 << 10;

/// Held by everything that may outlive the module: threads that hang.
struct Core {
    Core(const Options& o, std::shared_ptr<Device> d, Layers layers, IdentityFile file,
         const Identity& i, EventBus& events);

    TimePoint deadline() const { return real_clock().now() + 3 * options.timeout; }
    /// Whole clusters of both layers.
    RangeLock::Guard lock_range(std::uint64_t begin, std::uint64_t end, LockMode mode);
    RangeLock::Guard lock_all() { return lock.acquire_all(real_clock().now() + options.timeout); }

    std::uint64_t size() const { return disk->size(); }
    bool promoted() const { return identity().role == Role::promoted; }
    /// Whether there is something to be seen at all.
    bool consistent() const { return consistent_.load(); }
    Identity identity() const;

    /// Stores it durably.  0 or a positive errno, and then nothing has changed.
    /// Under lock_all().
    int set_identity(const Identity& next);
    /// Writes hidden's header; with `empties`, in the next generation, after
    /// which both layers are empty.  0 or a positive errno, and then nothing has
    /// changed.  Under lock_all().
    int set_header(const LayerHeader& next, bool empties);
    /// Changed under lock_all(); at any other time for information.
    LayerHeader header() const;

    /// Makes what the primary has written durable.  A disk that has failed to do
    /// that once has lost something, and may well succeed the next time: here it
    /// goes on failing, until the server is started again and the primary copies
    /// all that it has written since the last checkpoint.  0 or a positive errno.
    int sync_disk();

    /// Notes the sticky error.
    void note_error(int error) { int none = 0; sticky.compare_exchange_strong(none, error); }

    const Options options;
    const std::shared_ptr<Device> disk;
    const std::unique_ptr<Layer> hidden;
    const std::unique_ptr<Layer> active;
    RangeLock lock;
    SecondaryCounters counters;
    Reporter reporter;
    /// What differs from the other side since this one serves on its own, or
    /// did before; null: that is not noted.
    std::unique_ptr<ChangeMap> changes;
    /// Whether `changes` is about this pair.
    bool knows_changes() const { return changes && changes->pair() == identity().pair; }

    // Changed under lock_all(), read under any lock, or for information.
    std::atomic<State> state{State::none};
    Fence fence;
    std::atomic<std::uint64_t> merged_until{0};  ///< failover: the disk has all before it

    std::atomic<int> sticky{0};                  ///< QEMU's error: the first errno
    std::atomic<std::uint32_t> newest_connection{0};  ///< to `primary`
    std::atomic<std::uint64_t> writes{0};        ///< of the disk that have ended; see Held
    std::atomic<std::uint64_t> unsynced{0};      ///< bytes written since; see Background
    std::atomic<std::uint64_t> emptied{0};       ///< how often both layers were
    std::atomic<std::uint64_t> sync_done{0};     ///< bytes, as the primary says
    std::atomic<std::uint64_t> sync_total{0};
    const std::uint64_t instance;

private:
    SyncLedger disk_syncs_;
    const std::uint64_t grain_;  ///< the larger cluster
    const IdentityFile identity_file_;
    mutable std::mutex identity_mutex_;  ///< and of header_
    Identity identity_;
    std::atomic<bool> consistent_{false};
    LayerHeader header_;        ///< hidden's
};

}  // namespace resilience::replication
