// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One state, as a checker sees it: it can be written, and forgets that when it
// is thrown away; and what the checker read of the state is kept.
//
//   OverlayDevice   what the checker has written, in memory
//   ReadTracker     what it read from below that
//   StateDevice     log and base; nothing is copied

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/core/interval_set.h"
#include "common/device/blocking_device.h"
#include "common/store/overlay_device.h"

namespace resilience::nbdcrash {

/// Passes everything on, and remembers which bytes were read.  Made with
/// std::make_shared.
class ReadTracker final : public BlockingDevice {
public:
    explicit ReadTracker(std::shared_ptr<Device> below);

    std::string describe() const override { return below_->describe(); }
    std::uint64_t size() const override { return below_->size(); }
    Capabilities capabilities() const override { return below_->capabilities(); }
    int execute(Request& request) override;

    /// What was read until now, ascending.
    std::vector<resilience::ByteRange> reads() const;
    /// The first error, or 0.
    int error() const;

private:
    const std::shared_ptr<Device> below_;
    mutable std::mutex mutex_;
    IntervalSet reads_;
    int error_ = 0;
};

/// A state with its overlay.
struct ServedState {
    std::shared_ptr<ReadTracker> tracker;
    std::shared_ptr<Device> device;
};

/// `source`: the state, read-only.  Throws SetupError if there is no memory.
ServedState serve_state(std::shared_ptr<Device> source);

}  // namespace resilience::nbdcrash
