// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is on its way from the source, and for whom.
//
// A fetch is one read of the source of at most largest_fetch bytes, in a buffer
// of its own: whoever waits for it can give up and go away, and an answer that
// comes too late touches nobody's memory.  Who finds that a cluster is absent
// and not on its way claims it: starts the fetch, and must settle it (keep what
// came, and take it out of the table).  Who finds it on its way joins: waits for
// the data, copies them from the buffer, and is done.  So one cluster is fetched
// once, however many want it.
//
// Everybody here holds the range lock of the clusters, shared; guests' writes
// take it exclusively, so nothing that is fetched can overwrite what a guest has
// written meanwhile.  A claim is settled by the thread that made it, and that
// thread must not wait for another range lock before it has done so: a writer
// may stand in between.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/device/buffer_pool.h"
#include "common/store/cluster_map.h"
#include "common/thread/clock.h"
#include "filters/copy-on-read/local_copy.h"
#include "filters/copy-on-read/source.h"

namespace resilience::cor {

/// A piece of a larger fetch, in bytes; a cluster is at least one.
inline constexpr std::uint64_t largest_fetch = 1 << 20;

/// One read of the source.
class Fetch : public std::enable_shared_from_this<Fetch> {
public:
    Fetch(std::uint64_t offset, std::uint64_t length, TimePoint deadline);

    std::uint64_t offset() const { return offset_; }
    std::uint64_t length() const { return length_; }
    /// The source's bytes [begin, end); wait() was 0.
    std::span<const std::byte> bytes(std::uint64_t begin, std::uint64_t end) const;

    /// Starts it; or again, after it has ended.
    void start(Source& source);
    /// Waits until it has ended.  The claimer's: makes good what can be made
    /// good (a lost link), and declares the source away.
    int wait(Source& source);
    /// Waits for what the claimer's wait() comes to.
    int join();
    /// Tells those who have joined.  wait() does it; this is for a fetch that
    /// was not even started.
    void conclude(int error);
    bool arrived() const;

private:
    void ended(int error);

    const std::uint64_t offset_;
    const std::uint64_t length_;
    const TimePoint deadline_;
    const Buffer buffer_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<int> answer_;  ///< of the source, to the last start()
    std::optional<int> result_;  ///< for good
};
using FetchPtr = std::shared_ptr<Fetch>;

/// A part of a range, in order: local, to be fetched by us, or by another.
struct Segment {
    Clusters clusters;
    FetchPtr fetch;     ///< null: local
    bool mine = false;  ///< claimed by us: to be settled
};
using Segments = std::vector<Segment>;

/// The table of fetches in flight.  Thread-safe.
class Fetches {
public:
    Fetches(LocalCopy& local, Source& source, Reporter& reporter, Counters& counters)
        : local_(local), source_(source), reporter_(reporter), counters_(counters)
    {
    }

    /// Takes `range` apart, and claims and starts what is absent and not on its
    /// way.  The caller holds the range lock.  All of `mine` must be settled.
    Segments begin(Clusters range, TimePoint deadline);
    /// Waits for a segment of `mine`, keeps what came, and takes it out of the
    /// table.  `fetched` is the source's answer, `stored` the copy's, 0 if it
    /// was not asked to store.
    struct Settled {
        int fetched = 0;
        int stored = 0;
    };
    Settled settle(const Segment& segment);

    /// A read of the source that nobody else can join and nothing is kept of.
    FetchPtr pass(std::uint64_t offset, std::uint64_t length, TimePoint deadline);

private:
    LocalCopy& local_;
    Source& source_;
    Reporter& reporter_;
    Counters& counters_;
    std::mutex mutex_;
    std::map<std::uint64_t, Segment> flying_;  ///< by the first cluster; they do not overlap
};

}  // namespace resilience::cor
