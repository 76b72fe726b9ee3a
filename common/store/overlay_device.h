// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A device that can be written although what is below cannot.
//
// What is written goes to an OverlayStore, and an OverlayMap says where to
// read each byte.  A write stores its bytes first and enters them in the map
// after that, so the map names only what is there, even in a process that was
// killed in between.  Zeroes and trims are entered in the map alone; their space
// in the store is given back.
//
// Requests that overlap take turns: a read of a file that overlaps a write can
// see that half done, in the middle of a sector even, which no disk does.
//
// Nothing is ever copied up from below, because the map is exact to the byte:
// a small write needs no read, and cannot fail because of the base.

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "common/device/blocking_device.h"
#include "common/device/range_lock.h"
#include "common/store/overlay_store.h"

namespace resilience {

/// Decorates `base`, which is not started or stopped.  Made by
/// std::make_shared only.
class OverlayDevice final : public BlockingDevice {
public:
    OverlayDevice(std::shared_ptr<Device> base, std::unique_ptr<OverlayStore> store);
    /// Saves a named overlay; one in which nothing was ever written is removed.
    ~OverlayDevice() override;

    std::string describe() const override { return base_->describe(); }
    std::uint64_t size() const override { return base_->size(); }
    Capabilities capabilities() const override;
    BlockLimits block_limits() const override { return base_->block_limits(); }

    int execute(Request& request) override;

    /// Named: makes durable what has been written, like a flush.  0 or an errno.
    int save();

private:
    int in_turn(Request& request, LockMode mode);
    int read(Request& request);
    int write(const Request& request);
    int zero(const Request& request);
    int extents(Request& request);
    std::vector<LayerRange> layers(const Request& request) const;
    void put(ByteRange range, Layer layer);

    const std::shared_ptr<Device> base_;
    const std::unique_ptr<OverlayStore> store_;
    RangeLock turns_{real_clock()};
    std::mutex saving_;
    mutable std::shared_mutex mutex_;
    OverlayMap map_;
    bool changed_ = false;  // since the last save
};

}  // namespace resilience
