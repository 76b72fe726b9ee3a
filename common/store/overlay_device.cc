// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/overlay_device.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "common/core/log.h"
#include "common/device/extents.h"

namespace resilience {

namespace {

/// For requests that overlap: with a store, or something below, that hangs.
constexpr std::chrono::seconds patience{30};

}  // namespace

OverlayDevice::OverlayDevice(std::shared_ptr<Device> base, std::unique_ptr<OverlayStore> store)
    : BlockingDevice("overlay"), base_(std::move(base)), store_(std::move(store)),
      map_(store_->take_map())
{
}

OverlayDevice::~OverlayDevice()
try {
    if (!store_->is_named()) {
        return;
    }
    if (map_.empty()) {
        store_->remove();
    } else if (const int error = save(); error != 0) {
        log::error("{}: the overlay could not be saved: {}", describe(), std::strerror(error));
    }
} catch (const std::exception& error) {
    log::error("the overlay could not be saved: {}", error.what());
}

Capabilities OverlayDevice::capabilities() const
{
    Capabilities capabilities = base_->capabilities();
    capabilities.writable = true;
    capabilities.flush = true;
    capabilities.fua = true;
    capabilities.zero = true;
    capabilities.fast_zero = true;
    capabilities.trim = true;
    capabilities.extents = true;
    // The next connection has an overlay of its own, and sees nothing of this.
    capabilities.multi_conn = false;
    return capabilities;
}

int OverlayDevice::execute(Request& request)
try {
    int error = 0;
    switch (request.op) {
    case Op::read: return in_turn(request, LockMode::shared);
    case Op::extents: return extents(request);
    case Op::cache: return 0;
    case Op::flush: return save();
    case Op::write:
    case Op::zero:
    case Op::trim: error = in_turn(request, LockMode::exclusive); break;
    }
    return error == 0 && request.flags.fua ? save() : error;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

int OverlayDevice::in_turn(Request& request, LockMode mode)
{
    const auto turn = turns_.acquire(request.offset, request.end(), mode,
                                     real_clock().now() + patience);
    if (!turn) {
        return EIO;  // the store, or what is below, hangs
    }
    return request.op == Op::read    ? read(request)
           : request.op == Op::write ? write(request)
                                     : zero(request);
}

std::vector<LayerRange> OverlayDevice::layers(const Request& request) const
{
    const std::shared_lock lock(mutex_);
    return map_.layers({request.offset, request.end()});
}

void OverlayDevice::put(ByteRange range, Layer layer)
{
    const std::unique_lock lock(mutex_);
    map_.put(range, layer);
    changed_ = true;
}

int OverlayDevice::read(Request& request)
{
    for (const auto& [range, layer] : layers(request)) {
        const auto into = request.into.subspan(range.begin - request.offset, range.length());
        int error = 0;
        switch (layer) {
        case Layer::data: error = store_->read(range.begin, into); break;
        case Layer::zero: std::ranges::fill(into, std::byte{0}); break;
        case Layer::base: {
            Request below;
            below.op = Op::read;
            below.offset = range.begin;
            below.length = range.length();
            below.into = into;
            error = base_->execute(below);
            break;
        }
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int OverlayDevice::write(const Request& request)
{
    if (const int error = store_->write(request.offset, request.from); error != 0) {
        return error;
    }
    put({request.offset, request.end()}, Layer::data);
    return 0;
}

int OverlayDevice::zero(const Request& request)
{
    const auto before = layers(request);
    put({request.offset, request.end()}, Layer::zero);
    for (const auto& [range, layer] : before) {
        if (layer == Layer::data) {
            store_->forget(range);
        }
    }
    return 0;
}

int OverlayDevice::extents(Request& request)
{
    if (request.flags.allocation_depth) {
        return ENOTSUP;
    }
    request.extents.clear();
    for (const auto& [range, layer] : layers(request)) {
        int error = 0;
        switch (layer) {
        case Layer::data: append_extent(request.extents, {range.length(), false, false}); break;
        case Layer::zero: append_extent(request.extents, {range.length(), true, true}); break;
        case Layer::base:
            error = append_extents_of(*base_, range.begin, range.length(), request.extents);
            break;
        }
        if (error != 0) {
            return error;
        }
        if (request.flags.one_extent && request.extents.size() > 1) {
            request.extents.resize(1);
            break;
        }
    }
    return 0;
}

int OverlayDevice::save()
{
    if (!store_->is_named()) {
        return 0;
    }
    // The map before the content is made durable: what is entered in it has
    // been stored, and what is stored later is not in it.
    const std::lock_guard saving(saving_);
    OverlayMap map;
    {
        const std::unique_lock lock(mutex_);
        if (!changed_) {
            return 0;
        }
        map = map_;
        changed_ = false;
    }
    const int error = store_->save(map);
    if (error != 0) {
        const std::unique_lock lock(mutex_);
        changed_ = true;
    }
    return error;
}

}  // namespace resilience
