// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/device_storage.h"

#include <cstring>

#include "common/device/buffer_pool.h"

namespace resilience::logwrites {

int DeviceStorage::read(std::uint64_t position, std::span<std::byte> into)
{
    if (position > size() || into.size() > size() - position) {
        return EIO;
    }
    Request request;
    request.op = Op::read;
    request.offset = position;
    request.length = into.size();
    request.into = into;
    return device_->execute(request);
}

// A Device takes one piece of memory, so the parts are put together first.
int DeviceStorage::write(std::uint64_t position, std::span<iovec> parts)
{
    std::size_t length = 0;
    for (const iovec& part : parts) {
        length += part.iov_len;
    }
    if (position > size() || length > size() - position) {
        return ENOSPC;
    }
    const Buffer buffer = take_buffer(length);
    std::byte* to = buffer.memory.get();
    for (const iovec& part : parts) {
        std::memcpy(to, part.iov_base, part.iov_len);
        to += part.iov_len;
    }
    Request request;
    request.op = Op::write;
    request.offset = position;
    request.length = length;
    request.from = buffer.span();
    request.owner = buffer.memory;
    return device_->execute(request);
}

int DeviceStorage::write_hole(std::uint64_t position, std::uint64_t length)
{
    Request request;
    request.op = Op::zero;
    request.offset = position;
    request.length = length;
    request.flags.may_trim = true;
    return device_->execute(request);
}

int DeviceStorage::sync()
{
    Request request;
    request.op = Op::flush;
    return device_->execute(request);
}

}  // namespace resilience::logwrites
