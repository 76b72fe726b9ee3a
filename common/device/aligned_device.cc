// SPDX-License-Identifier: BSD-3-Clause
#include "common/device/aligned_device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/device/buffer_pool.h"

namespace resilience {

namespace {

/// An unaligned read of up to this many bytes is one larger read and a copy,
/// instead of three reads one after the other.
constexpr std::uint64_t read_at_once = 1024 * 1024;

Request part_of(const Request& request, std::uint64_t offset, std::uint64_t length)
{
    Request part;
    part.op = request.op;
    part.flags = request.flags;
    part.offset = offset;
    part.length = length;
    part.owner = request.owner;
    const auto skip = offset - request.offset;
    if (request.op == Op::read) {
        part.into = request.into.subspan(skip, length);
    } else if (request.op == Op::write) {
        part.from = request.from.subspan(skip, length);
    }
    return part;
}

Request block_request(Op op, std::uint64_t offset, const Buffer& buffer)
{
    Request request;
    request.op = op;
    request.offset = offset;
    request.length = buffer.size;
    request.owner = buffer.memory;
    if (op == Op::read) {
        request.into = buffer.span();
    } else {
        request.from = buffer.span();
    }
    return request;
}

std::uint64_t block_size_of(const Device& device)
{
    return std::max<std::uint64_t>(device.block_limits().minimum, 1);
}

}  // namespace

/// A request cut into the part before the first whole block, whole blocks, and
/// the part after the last.  A request inside one block is all head.
struct AlignedDevice::Split {
    std::uint64_t head;    ///< bytes
    std::uint64_t middle;  ///< bytes, a multiple of the block size
    std::uint64_t tail;    ///< bytes
};

AlignedDevice::AlignedDevice(std::shared_ptr<Device> inner)
    : BlockingDevice("aligned-io"),
      inner_(std::move(inner)),
      block_(block_size_of(*inner_)),
      size_(inner_->size() / block_ * block_)
{
}

AlignedDevice::Split AlignedDevice::split(const Request& request) const
{
    const auto into_block = request.offset % block_;
    const auto head = std::min(request.length, into_block == 0 ? 0 : block_ - into_block);
    const auto tail = (request.length - head) % block_;
    return {head, request.length - head - tail, tail};
}

bool AlignedDevice::is_aligned(const Request& request) const
{
    return request.op == Op::flush ||
           (request.offset % block_ == 0 && request.length % block_ == 0);
}

/// The same operation on the whole blocks that the request touches; for reads
/// the caller gives it memory.
Request AlignedDevice::widened(const Request& request) const
{
    Request wide;
    wide.op = request.op;
    wide.flags = request.flags;
    wide.offset = request.offset / block_ * block_;
    wide.length = (request.end() + block_ - 1) / block_ * block_ - wide.offset;
    return wide;
}

int AlignedDevice::execute(Request& request)
{
    if (is_aligned(request)) {
        return inner_->execute(request);
    }
    switch (request.op) {
    case Op::read: return read(request);
    case Op::write:
    case Op::zero: return modify(request);
    case Op::trim: {
        // A part of a block cannot be trimmed, and nobody may rely on it.
        const Split parts = split(request);
        if (parts.middle == 0) {
            return inner_->capabilities().writable ? 0 : EROFS;
        }
        Request middle = part_of(request, request.offset + parts.head, parts.middle);
        return inner_->execute(middle);
    }
    case Op::cache: {
        Request wide = widened(request);
        return inner_->execute(wide);
    }
    case Op::extents: return extents(request);
    case Op::flush: break;
    }
    return inner_->execute(request);
}

void AlignedDevice::submit(std::shared_ptr<Request> request, Completion done)
{
    if (is_aligned(*request)) {
        inner_->submit(std::move(request), std::move(done));
    } else {
        // Not a chain of inner submissions: a completion must not call into a
        // device.
        BlockingDevice::submit(std::move(request), std::move(done));
    }
}

std::optional<int> AlignedDevice::execute_now(Request& request)
{
    if (is_aligned(request)) {
        return inner_->execute_now(request);
    }
    if (request.op != Op::read || request.length > read_at_once) {
        return std::nullopt;
    }
    Request wide = widened(request);
    const Buffer buffer = take_buffer(wide.length);
    wide.into = buffer.span();
    wide.owner = buffer.memory;
    const auto error = inner_->execute_now(wide);
    if (error == 0) {
        std::memcpy(request.into.data(), wide.into.data() + (request.offset - wide.offset),
                    request.length);
    }
    return error;
}

int AlignedDevice::read(Request& request)
{
    const Split parts = request.length > read_at_once ? split(request)
                                                      : Split{request.length, 0, 0};
    std::uint64_t offset = request.offset;
    const auto read_through_buffer = [&](std::uint64_t length) {
        Request part = part_of(request, offset, length);
        Request wide = widened(part);
        const Buffer buffer = take_buffer(wide.length);
        wide.into = buffer.span();
        wide.owner = buffer.memory;
        const int error = inner_->execute(wide);
        if (error == 0) {
            std::memcpy(part.into.data(), wide.into.data() + (offset - wide.offset), length);
        }
        return error;
    };
    int error = parts.head > 0 ? read_through_buffer(parts.head) : 0;
    offset += parts.head;
    if (error == 0 && parts.middle > 0) {
        Request middle = part_of(request, offset, parts.middle);
        error = inner_->execute(middle);
    }
    offset += parts.middle;
    if (error == 0 && parts.tail > 0) {
        error = read_through_buffer(parts.tail);
    }
    return error;
}

// The middle first: it alone can refuse (a fast zero), and it has to do that
// before anything has changed.  FUA goes with every piece.
int AlignedDevice::modify(Request& request)
{
    const Split parts = split(request);
    const auto middle_at = request.offset + parts.head;
    if (request.op == Op::zero && request.flags.fast_zero && parts.middle == 0) {
        return inner_->capabilities().writable ? ENOTSUP : EROFS;
    }
    int error = 0;
    if (parts.middle > 0) {
        Request middle = part_of(request, middle_at, parts.middle);
        error = inner_->execute(middle);
    }
    if (error == 0 && parts.head > 0) {
        error = modify_part(request, request.offset, parts.head);
    }
    if (error == 0 && parts.tail > 0) {
        error = modify_part(request, middle_at + parts.middle, parts.tail);
    }
    return error;
}

/// Read, modify, write of the one block that holds `length` bytes at `offset`.
int AlignedDevice::modify_part(const Request& request, std::uint64_t offset, std::uint64_t length)
{
    const auto block_at = offset / block_ * block_;
    const Buffer buffer = take_buffer(block_);
    Request read = block_request(Op::read, block_at, buffer);
    if (const int error = inner_->execute(read)) {
        return error;  // the neighbours are unknown: writing would invent them
    }
    std::byte* const target = buffer.memory.get() + (offset - block_at);
    if (request.op == Op::zero) {
        std::memset(target, 0, length);
    } else {
        std::memcpy(target, request.from.data() + (offset - request.offset), length);
    }
    Request write = block_request(Op::write, block_at, buffer);
    write.flags.fua = request.flags.fua;
    return inner_->execute(write);
}

int AlignedDevice::extents(Request& request)
{
    Request wide = widened(request);
    if (const int error = inner_->execute(wide)) {
        return error;
    }
    request.extents.clear();
    std::uint64_t position = wide.offset;
    for (const Extent& extent : wide.extents) {
        const auto from = std::max(position, request.offset);
        position += extent.length;
        const auto to = std::min(position, request.end());
        if (from < to) {
            request.extents.push_back({to - from, extent.hole, extent.zero});
        }
    }
    return request.extents.empty() ? EIO : 0;
}

void AlignedDevice::start()
{
    inner_->start();
    BlockingDevice::start();
}

void AlignedDevice::stop(std::chrono::milliseconds limit)
{
    // The inner device first: that ends what our threads wait for.
    const auto deadline = std::chrono::steady_clock::now() + limit;
    inner_->stop(limit);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    BlockingDevice::stop(std::max(left, std::chrono::milliseconds(0)));
}

}  // namespace resilience
