// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/state_device.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace resilience::writelog {
namespace {

void append(ExtentList& extents, const Extent& extent)
{
    if (!extents.empty() && extents.back().hole == extent.hole &&
        extents.back().zero == extent.zero) {
        extents.back().length += extent.length;
    } else if (extent.length != 0) {
        extents.push_back(extent);
    }
}

int read_base(Device* base, std::uint64_t offset, std::span<std::byte> into)
{
    const std::uint64_t size = base != nullptr ? base->size() : 0;
    const std::size_t inside =
        offset >= size ? 0 : std::min<std::uint64_t>(into.size(), size - offset);
    std::ranges::fill(into.subspan(inside), std::byte{0});
    if (inside == 0) {
        return 0;
    }
    Request request;
    request.op = Op::read;
    request.offset = offset;
    request.length = inside;
    request.into = into.first(inside);
    return base->execute(request);
}

}  // namespace

int read_pieces(const LogFile& log, Device* base, const std::vector<Piece>& pieces,
                std::span<std::byte> into)
{
    for (const Piece& piece : pieces) {
        const auto part = into.subspan(piece.offset - pieces.front().offset, piece.length);
        int error = 0;
        switch (piece.source) {
        case Source::log: error = log.read_or_errno(piece.position, part); break;
        case Source::base: error = read_base(base, piece.offset, part); break;
        case Source::zero: std::ranges::fill(part, std::byte{0}); break;
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

StateDevice::StateDevice(std::shared_ptr<const LogFile> log, std::shared_ptr<Device> base,
                         ContentMap map, std::uint64_t size, std::string name)
    : BlockingDevice("state"), log_(std::move(log)), base_(std::move(base)), map_(std::move(map)),
      size_(size), name_(std::move(name))
{
}

Capabilities StateDevice::capabilities() const
{
    Capabilities capabilities;
    capabilities.writable = false;
    capabilities.extents = true;
    return capabilities;
}

int StateDevice::execute(Request& request)
try {
    switch (request.op) {
    case Op::read:
        return read_pieces(*log_, base_.get(), map_.pieces(request.offset, request.length),
                           request.into);
    case Op::extents: return extents(request);
    case Op::flush:
    case Op::cache: return 0;
    case Op::write:
    case Op::zero:
    case Op::trim: break;
    }
    return EROFS;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

int StateDevice::extents(Request& request)
{
    request.extents.clear();
    for (const Piece& piece : map_.pieces(request.offset, request.length)) {
        switch (piece.source) {
        case Source::log: append(request.extents, {piece.length, false, false}); break;
        case Source::zero: append(request.extents, {piece.length, true, true}); break;
        case Source::base:
            if (const int error = base_extents(piece, request.extents); error != 0) {
                return error;
            }
            break;
        }
        if (request.flags.one_extent && request.extents.size() > 1) {
            request.extents.resize(1);
            break;
        }
    }
    return 0;
}

int StateDevice::base_extents(const Piece& piece, ExtentList& extents)
{
    const std::uint64_t size = base_ ? base_->size() : 0;
    const std::uint64_t inside_end = std::min(piece.end(), std::max(piece.offset, size));
    std::uint64_t at = piece.offset;
    while (at < inside_end && base_->capabilities().extents) {
        Request request;
        request.op = Op::extents;
        request.offset = at;
        request.length = inside_end - at;
        const int error = base_->execute(request);
        if (error != 0) {
            return error;
        }
        const std::uint64_t before = at;
        for (const Extent& extent : request.extents) {
            const std::uint64_t length = std::min(extent.length, inside_end - at);
            append(extents, {length, extent.hole, extent.zero});
            at += length;
        }
        if (at == before) {
            return EIO;  // an answer without extents would keep us here for ever
        }
    }
    append(extents, {inside_end - at, false, false});
    append(extents, {piece.end() - inside_end, true, true});
    return 0;
}

}  // namespace resilience::writelog
