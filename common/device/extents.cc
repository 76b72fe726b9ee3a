// SPDX-License-Identifier: BSD-3-Clause
#include "common/device/extents.h"

#include <algorithm>
#include <cerrno>

namespace resilience {

void append_extent(ExtentList& list, const Extent& extent)
{
    if (extent.length == 0) {
        return;
    }
    if (!list.empty() && list.back().hole == extent.hole && list.back().zero == extent.zero &&
        list.back().depth == extent.depth) {
        list.back().length += extent.length;
    } else {
        list.push_back(extent);
    }
}

int append_extents_of(Device& device, std::uint64_t offset, std::uint64_t length, ExtentList& list)
{
    if (!device.capabilities().extents) {
        append_extent(list, {length, false, false});
        return 0;
    }
    const std::uint64_t end = offset + length;
    while (offset < end) {
        Request request;
        request.op = Op::extents;
        request.offset = offset;
        request.length = end - offset;
        if (const int error = device.execute(request); error != 0) {
            return error;
        }
        const std::uint64_t before = offset;
        for (const Extent& extent : request.extents) {
            const std::uint64_t inside = std::min(extent.length, end - offset);
            append_extent(list, {inside, extent.hole, extent.zero});
            offset += inside;
        }
        if (offset == before) {
            return EIO;  // an answer without extents would keep us here for ever
        }
    }
    return 0;
}

}  // namespace resilience
