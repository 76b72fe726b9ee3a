// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// cor-max-depth: which clusters of the source lie in the top layers of its
// backing chain, and are to be copied; the others are read and not kept.
//
// The source says it by the NBD metadata context qemu:allocation-depth: 1 is
// the top layer, 2 its backing file, ...; 0 means that no layer has it.  What
// was once said is kept in memory, so a range is asked about once.

#include <atomic>
#include <cstdint>
#include <vector>

#include "common/store/cluster_map.h"
#include "filters/copy-on-read/source.h"

namespace resilience::cor {

/// Thread-safe.
class Depth {
public:
    /// `limit` 0: no limit, and nothing is ever asked.
    Depth(Source& source, const ClusterMap& map, std::uint32_t limit);

    bool limited() const { return limit_ != 0; }
    /// Asks for what is not known yet of a range.  0 or an errno.
    int learn(Clusters range, TimePoint deadline);
    /// Whether a cluster is to be copied; it must have been learnt.  One of
    /// which any part lies in the top layers is.
    bool wanted(std::uint64_t cluster) const;

private:
    enum : std::uint8_t { unknown, copied, passed };

    Source& source_;
    const ClusterMap& map_;
    const std::uint32_t limit_;
    std::vector<std::atomic<std::uint8_t>> known_;
};

}  // namespace resilience::cor
