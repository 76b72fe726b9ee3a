// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// cor-trace: in which order the clusters of an image are first used.
//
// A machine that boots reads much the same blocks in much the same order each
// time, one after the other, and each read costs a round trip.  Who knows the
// order can fetch many at a time, ahead of the machine.
//
// The file is text: a header that says which image it is for, a line per run of
// clusters, and a last line with a checksum:
//
//     nbdkit-resilience trace 1 SIZE CLUSTER-SIZE
//     FIRST COUNT
//     ...
//     end CHECKSUM
//
// It is a hint.  One that is damaged or for another image is ignored, with a
// message, and replaced in time.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "common/store/cluster_map.h"

namespace resilience::cor {

/// Thread-safe.
class Trace {
public:
    /// Reads `path` (absolute), if it is there.  Throws SetupError only if it
    /// cannot be written in the end.
    Trace(std::string path, std::uint64_t device_size, std::uint32_t cluster_size);

    /// The order that was recorded before; what is to be fetched ahead.
    std::vector<Clusters> recorded() const { return recorded_; }

    /// A guest reads these clusters.  Quick when they have been used before.
    void use(Clusters range);
    /// Writes the file if there is something new.  Errors are logged once.
    void save();

private:
    void load();
    void remember(Clusters range);

    const std::string path_;
    const std::uint64_t device_size_;
    const std::uint32_t cluster_size_;
    std::vector<std::atomic<std::uint64_t>> used_;  ///< a bit per cluster
    std::vector<Clusters> recorded_;

    std::mutex mutex_;
    std::vector<Clusters> order_;
    bool changed_ = false;
    bool reported_ = false;
};

}  // namespace resilience::cor
