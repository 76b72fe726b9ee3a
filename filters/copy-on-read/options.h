// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace resilience::cor {

/// What the parameters say (nbdkit-copy-on-read-filter(1) explains them).
struct Options {
    std::string file;                            ///< cor-file, absolute
    std::optional<std::uint32_t> cluster_size;   ///< bytes; none: as the map says, or 64K
    std::chrono::milliseconds timeout{10000};    ///< how long the source may take
    bool on_cache = true;                        ///< NBD_CMD_CACHE prefetches
    bool read_only_copy = true;                  ///< reads of read-only clients are kept, too
    bool stream = false;
    std::uint64_t stream_rate = 0;               ///< bytes per second; 0: no limit
    std::string trace;                           ///< cor-trace, absolute; empty: none
    std::uint32_t max_depth = 0;                 ///< 0: copy whatever it is
    std::string source;                          ///< which source it is, for the map; may be empty
};

}  // namespace resilience::cor
