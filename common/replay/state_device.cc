// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/state_device.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "common/device/extents.h"

namespace resilience::writelog {
namespace {

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
    if (request.flags.allocation_depth) {
        return ENOTSUP;
    }
    request.extents.clear();
    for (const Piece& piece : map_.pieces(request.offset, request.length)) {
        switch (piece.source) {
        case Source::log: append_extent(request.extents, {piece.length, false, false}); break;
        case Source::zero: append_extent(request.extents, {piece.length, true, true}); break;
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
    if (inside_end > piece.offset) {
        const int error =
            append_extents_of(*base_, piece.offset, inside_end - piece.offset, extents);
        if (error != 0) {
            return error;
        }
    }
    append_extent(extents, {piece.end() - inside_end, true, true});
    return 0;
}

}  // namespace resilience::writelog
