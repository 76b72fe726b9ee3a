// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "common/core/latency_histogram.h"
#include "common/device/request.h"

namespace resilience::blkverify {

/// Exact counts of one operation, and how long each side took.
struct OperationStatistics {
    std::atomic<std::uint64_t> requests{0};        ///< of clients
    std::atomic<std::uint64_t> not_sampled{0};     ///< reads that were not chosen
    std::atomic<std::uint64_t> compared{0};        ///< both sides answered, and were compared
    std::atomic<std::uint64_t> compared_bytes{0};  ///< of read data
    std::atomic<std::uint64_t> not_comparable{0};  ///< untrusted, or the reference was away
    std::atomic<std::uint64_t> mismatches{0};
    std::atomic<std::uint64_t> test_errors{0};
    std::atomic<std::uint64_t> reference_errors{0};
    LatencyHistogram test_time;
    LatencyHistogram reference_time;
};

/// Of all operations.  All members are safe to use from any thread.
class Statistics {
public:
    OperationStatistics& of(Op op) { return operations_[static_cast<std::size_t>(op)]; }
    const OperationStatistics& of(Op op) const
    {
        return operations_[static_cast<std::size_t>(op)];
    }

private:
    std::array<OperationStatistics, 7> operations_;
};

/// Counts one; the order of counts is nobody's concern.
inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1)
{
    counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace resilience::blkverify
