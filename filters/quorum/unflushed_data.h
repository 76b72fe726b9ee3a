// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What was written since the last flush, for children that may have forgotten it.
//
// A server that loses its connection may have lost with it what it had not
// written to its disk.  When that happens to one child, the others tell what is
// missing.  When it happens to all of them at once (a switch is restarted), nobody
// could, although it is known: it is what we sent since the last flush.  So it is
// kept, as NFS clients keep it, and written again (replay.h).  The same goes for what a
// child has missed: three that have each missed another write need no vote.
//
// Two rules make that right:
//
//   * Whatever byte is kept is kept as it was sent last.  A change that is not
//     kept, since the limit is reached, takes away what it overlaps.  One that
//     failed as a whole is kept, too: children may have it in part, and afterwards
//     all have it, or none.
//   * A child says of each 64 KiB whether all that it may forget, or lacks, there is
//     kept (Child::wrote, missed).  If not, it has to be copied from others.
//
// Nothing is copied for this: a request that is sent to a server owns its memory.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/device/buffer_pool.h"

namespace resilience::quorum {

/// All members are safe to call from any thread.
class UnflushedData {
public:
    /// `limit`: bytes of memory, counted as they are allocated; 0: keep nothing.
    explicit UnflushedData(std::uint64_t limit) : limit_(limit) {}

    /// A run of bytes as they were sent last.
    struct Piece {
        ByteRange range;
        Buffer data;             ///< no memory: zeroes
        std::size_t offset = 0;  ///< of the first byte in it
    };

    /// Makes room for a change of `range`, which put() then must follow; `data`: it
    /// is a write, else zeroes.  False: there is none, and nothing is known about
    /// `range` any more.  The caller holds the range.
    bool admit(ByteRange range, bool data);
    /// Keeps a change.  Call it when all children have been noted as having done it.
    void put(ByteRange range, const Buffer& data);

    /// What has been put until now; for drop_until().
    std::uint64_t sequence() const;
    /// All that was put until then is durable.
    void drop_until(std::uint64_t sequence);

    /// What is kept of `range`, ascending.
    std::vector<Piece> pieces(ByteRange range) const;
    /// Whether any of it is data, not zeroes.
    bool has_data(ByteRange range) const;

    /// Memory in use.
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
    /// Half full: somebody should flush.
    bool wants_flush() const { return limit_ != 0 && bytes() > limit_ / 2; }

private:
    /// What one change has brought; runs of it are left where no later one came.
    struct Block {
        Buffer data;
        std::uint64_t begin = 0;
        std::uint64_t sequence = 0;
        std::uint64_t memory = 0;
        std::size_t runs = 0;
    };
    struct Run {
        std::uint64_t end = 0;
        std::shared_ptr<Block> block;
    };
    using Runs = std::map<std::uint64_t, Run>;  // by where they begin; they do not overlap
    using Freed = std::vector<std::shared_ptr<Block>>;

    void add(std::uint64_t begin, std::uint64_t end, const std::shared_ptr<Block>& block);
    Runs::iterator remove(Runs::iterator run, Freed& freed);
    void cut(ByteRange range, Freed& freed);
    template <typename Action>
    void for_each_run(ByteRange range, Action action) const;

    const std::uint64_t limit_;
    mutable std::mutex mutex_;
    Runs runs_;
    std::uint64_t sequence_ = 0;
    std::atomic<std::uint64_t> bytes_{0};  // changed under the mutex
};

}  // namespace resilience::quorum
