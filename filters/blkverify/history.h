// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/device/request.h"

namespace resilience::blkverify {

/// How many of them are shown with a mismatch.
inline constexpr std::size_t most_changes_shown = 16;

/// A request that changed something, and what each side said to it.
struct Change {
    std::chrono::system_clock::time_point time;  ///< when both had answered
    Op op = Op::write;                           ///< as the client asked
    ByteRange range;
    std::uint32_t connection = 0;
    int test = 0;                  ///< errno, or 0
    std::optional<int> reference;  ///< the same; nullopt: it never said, or was not asked
};

/// The last changes, to be shown with a mismatch.  Thread-safe.
class History {
public:
    /// Remembers this many.
    explicit History(std::size_t length = 4096) : ring_(length) {}

    void add(const Change& change);

    /// The changes that touched `range`, newest first, `most` at most.
    std::vector<Change> of(ByteRange range, std::size_t most) const;

private:
    mutable std::mutex mutex_;
    std::vector<Change> ring_;
    std::uint64_t added_ = 0;
};

}  // namespace resilience::blkverify
