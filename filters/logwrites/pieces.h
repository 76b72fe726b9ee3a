// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How a request becomes entries.
//
//   write   one entry, padded to whole sectors
//   zero    the whole sectors inside: writes of zeroes without content in the
//           log, of at most 1 GiB each; the parts of sectors at both ends:
//           padded writes
//   trim    the same, but the whole sectors are DISCARDs, of at most 128 MiB
//
// More than that is not carried out by all readers (dm_log_writes.h).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/device/buffer_pool.h"
#include "common/device/device.h"
#include "filters/logwrites/entry_output.h"

namespace resilience::logwrites {

/// The device as the log sees it.
struct Geometry {
    std::uint64_t device_size = 0;  ///< bytes
    std::uint32_t sector_size = 512;
};

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

/// Entries for a write, zero or trim of length > 0, in the order of the
/// device, with their extensions as far as they are about the request.  The
/// bodies are those of the request and of `padding`; padded parts of a zero
/// are taken from `zeroes` (a sector).  All must outlive the items.
std::vector<LogItem> split(const Request& request, const Padding& padding,
                           std::span<const std::byte> zeroes, const Geometry& geometry,
                           std::uint32_t connection);

/// The same for a write alone, without memory from the heap.
LogItem write_item(const Request& request, const Padding& padding, const Geometry& geometry,
                   std::uint32_t connection);

/// The range of whole sectors that `request` touches, in bytes.
std::uint64_t first_byte(const Request& request, const Geometry& geometry);
std::uint64_t last_byte(const Request& request, const Geometry& geometry);

}  // namespace resilience::logwrites
