// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/device/buffer_pool.h"
#include "common/device/device.h"

namespace resilience::logwrites {

/// The rest of the log sectors in which a range begins and ends: what the
/// device holds there.  The log has whole sectors; the client need not.
struct Padding {
    Buffer memory;
    std::span<const std::byte> head;  ///< from the start of the first sector
    std::span<const std::byte> tail;  ///< to the end of the last sector
};

/// Reads the padding of [begin, end); zeroes stand for what is behind the end
/// of the device.  0 or a positive errno.
int read_padding(Device& device, std::uint64_t begin, std::uint64_t end,
                 std::uint32_t sector_size, Padding& padding);

}  // namespace resilience::logwrites
