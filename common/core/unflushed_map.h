// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/core/dirty_bitmap.h"

namespace resilience {

/// Where a replica was written since its last flush: what it may forget.
///
/// A write marks its range when it *completes*; a flush takes all marks when it
/// *starts*, and puts them back if it fails.  So a write that completed after
/// the flush had started is never counted as flushed by it, although it may
/// have been: a mark can be wrong only on the safe side.
///
/// A second level (one bit per word) keeps take() cheap on large devices.
/// All members are safe to call from any thread.
class UnflushedMap {
public:
    /// Marks that were taken; to be dropped (the flush succeeded) or put back.
    using Taken = std::vector<std::pair<std::uint32_t, std::uint64_t>>;  // word index, bits

    /// `size` and `granularity` in bytes; granularity is a power of two.
    UnflushedMap(std::uint64_t size, std::uint64_t granularity);

    void mark(ByteRange range);
    /// Whether anything is marked; taken marks are not.
    bool any() const;
    Taken take();
    void put_back(const Taken& taken);
    /// Marks in `target` (same size and granularity) all that is marked here.
    void copy_to(DirtyBitmap& target) const;
    void copy_to(DirtyBitmap& target, const Taken& taken) const;

private:
    std::uint64_t granularity_;
    std::vector<std::atomic<std::uint64_t>> words_;
    std::vector<std::atomic<std::uint64_t>> summary_;  // a bit for each word that may be non-zero
};

}  // namespace resilience
