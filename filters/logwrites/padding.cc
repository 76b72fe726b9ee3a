// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/padding.h"

#include <algorithm>

namespace resilience::logwrites {

namespace {

int read(Device& device, std::uint64_t begin, std::uint64_t end, std::span<std::byte> into)
{
    if (begin >= end) {
        return 0;
    }
    Request request;
    request.op = Op::read;
    request.offset = begin;
    request.length = end - begin;
    request.into = into.first(request.length);
    return device.execute(request);
}

}  // namespace

int read_padding(Device& device, std::uint64_t begin, std::uint64_t end,
                 std::uint32_t sector_size, Padding& padding)
{
    const std::uint64_t head = begin % sector_size;
    const std::uint64_t tail = (sector_size - end % sector_size) % sector_size;
    if (head == 0 && tail == 0) {
        return 0;
    }
    padding.memory = take_buffer(head + tail);
    const auto memory = padding.memory.span();
    std::ranges::fill(memory, std::byte{0});
    padding.head = memory.first(head);
    padding.tail = memory.subspan(head, tail);
    if (const int error = read(device, begin - head, begin, memory.first(head))) {
        return error;
    }
    return read(device, end, std::min(end + tail, device.size()), memory.subspan(head, tail));
}

}  // namespace resilience::logwrites
