// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/core/dirty_bitmap.h"

namespace resilience::quorum {

/// A child that can be asked, and where it does not hold what is right.
struct Holder {
    const DirtyBitmap* stale = nullptr;  ///< of the same size and granularity for all
    std::vector<ByteRange> differing{};  ///< ascending, with gaps between them
};

/// On how many holders what is right is.
struct Coverage {
    std::uint64_t unreadable_bytes = 0;  ///< where it is on fewer than are needed
    std::size_t fewest = 0;              ///< holders, where they are fewest
};

/// Walks the bitmaps side by side: about a millisecond for each TiB.  Others may
/// change them meanwhile; then it is about no certain moment.
Coverage cover(std::span<const Holder> holders, std::uint64_t size, std::size_t needed);

}  // namespace resilience::quorum
