// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the secondary misses is copied: read here, sent there, under the range's
// lock.  The secondary knows that it is in between (sync_begin ... sync_end) and
// keeps its last checkpoint.
//
// As long as it has none to go back to (the first copy), what was copied and then
// flushed there need not be copied again, whatever happens: its marks leave the
// change map.  The local disk is flushed before that: what is not marked must be
// equal on both disks also when this side loses its power.

#include <cstdint>
#include <mutex>
#include <optional>

#include "filters/replication/pair/options.h"
#include "filters/replication/primary/device.h"
#include "filters/replication/primary/dialog.h"

namespace resilience::replication {

/// For one thread, but for status().
class Copier {
public:
    struct Status {
        std::uint64_t total = 0;        ///< bytes, of the copy that runs or ran last
        std::uint64_t done = 0;         ///< bytes
        std::uint64_t holes = 0;        ///< bytes of them that were sent as zeroes
        std::uint64_t read_errors = 0;  ///< of the local disk
    };

    /// All must outlive it.
    Copier(const Options& options, PrimaryDevice& device, Dialog& dialog);

    /// A session has begun.  `first`: the secondary has nothing to go back to.
    void meet(bool first);
    /// Tells the secondary that a copy begins; `full`: of everything.  False: the
    /// session is given up.
    bool begin(bool full);
    bool running() const { return running_; }
    /// Keeps the stream busy.  `secondary`: the connection that it sends to.
    /// Returns whether to come again at once.
    bool work(Device& secondary);
    /// Tells the secondary that it has all.  False: something is missed again, or
    /// the session is given up.
    bool end();
    /// The session is over.
    void abandon() { running_ = false; }
    /// Tells the secondary how far it is.
    void report();
    /// When work() has something to do again.
    TimePoint next() const { return next_copy_; }

    Status status() const;

private:
    bool accept(const std::optional<wire::Status>& answer);
    bool copy_some();
    std::optional<std::uint64_t> copy_piece(ByteRange missed);
    std::uint64_t zeroes_at(ByteRange range);
    void forget_what_is_durable(Device& secondary);

    const Options& options_;
    PrimaryDevice& device_;
    Dialog& dialog_;
    Clock& clock_;
    bool running_ = false;
    bool first_ = false;
    std::uint64_t cursor_ = 0;
    TimePoint next_copy_{};
    TimePoint next_durable_{};

    mutable std::mutex mutex_;
    Status status_;  // under mutex_
};

}  // namespace resilience::replication
