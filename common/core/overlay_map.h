// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "common/core/dirty_bitmap.h"

namespace resilience {

/// Who has the bytes of a range of an overlaid device.
enum class Layer : std::uint8_t {
    base,  ///< what is below; nobody has written there
    data,  ///< the overlay
    zero,  ///< nobody: they are zeroes
};

/// A run of bytes of one layer.
struct LayerRange {
    ByteRange range;
    Layer layer = Layer::base;

    friend bool operator==(const LayerRange&, const LayerRange&) = default;
};

/// Which layer each byte of a device is in.
///
/// A sorted map of runs, to the byte, and not a bitmap of blocks: so a write
/// that is no multiple of a block needs nothing from below, a zeroed terabyte
/// is one run, and the memory is that of what was written (some 80 bytes for
/// each run), whatever the size of the device.
///
/// Not thread-safe, except that several threads may read.
class OverlayMap {
public:
    void put(ByteRange range, Layer layer);

    /// What `range` consists of, in order and without gaps.
    std::vector<LayerRange> layers(ByteRange range) const;
    /// All runs of data and zero, in order.
    std::vector<LayerRange> layers() const;

    /// How many runs of data and zero there are.
    std::size_t size() const { return runs_.size(); }
    bool empty() const { return runs_.empty(); }

private:
    struct Run {
        std::uint64_t end = 0;
        Layer layer = Layer::data;
    };
    using Runs = std::map<std::uint64_t, Run>;

    Runs::iterator cut(std::uint64_t at);

    Runs runs_;  // by where they begin; they do not overlap, none is of the base
};

}  // namespace resilience
