// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The device: a source that is slow or far away, and a local copy of what was
// read of it or written to it.
//
// A read of what is local is one pread, under no lock: a cluster that is local
// stays local, so the map is looked at once, and a read that overlaps a write
// may see either, as on any disk.  Anything else goes under the range lock, on
// whole clusters:
//
//   read (something absent)   shared: fetch, hand over, keep; see fetch.h
//   write, zero, trim         exclusive: what a fetch would keep must not
//                             overwrite what a guest has written meanwhile
//
// (nbdkit's own cow-on-read has no such lock: a read that is slow puts the old
// block over a write that was acknowledged, flushed even.)

#include <memory>

#include "common/device/blocking_device.h"
#include "filters/copy-on-read/engine.h"

namespace resilience::cor {

class CorDevice final : public BlockingDevice {
public:
    explicit CorDevice(std::shared_ptr<Engine> engine);

    std::string describe() const override { return "copy-on-read"; }
    std::uint64_t size() const override { return engine_->local->size(); }
    Capabilities capabilities() const override;
    BlockLimits block_limits() const override;
    int execute(Request& request) override { return carry_out(request, true); }

    /// `keep`: whether what is read from the source is kept.
    int carry_out(Request& request, bool keep);

private:
    int read(Request& request, bool keep);
    int read_absent(Request& request, bool keep);
    int read_kept(Request& request, Clusters range, TimePoint deadline);
    int read_by_depth(Request& request, Clusters range, TimePoint deadline);
    int read_passing(Request& request, Clusters range, TimePoint deadline);
    int deliver(const Request& request, const Segment& segment);
    int prefetch(const Request& request);

    int modify(Request& request);
    int make_local(Clusters whole, Clusters touched);
    int zero(const Request& request);
    int trim(const Request& request);
    int flush();

    int extents(Request& request);
    ExtentList source_extents(std::uint64_t begin, std::uint64_t end);

    const std::shared_ptr<Engine> engine_;
};

/// What a read-only client sees when its reads are not to be kept.
class PassingDevice final : public BlockingDevice {
public:
    explicit PassingDevice(std::shared_ptr<CorDevice> inner)
        : BlockingDevice("cor-pass"), inner_(std::move(inner))
    {
    }
    std::string describe() const override { return inner_->describe(); }
    std::uint64_t size() const override { return inner_->size(); }
    Capabilities capabilities() const override { return inner_->capabilities(); }
    BlockLimits block_limits() const override { return inner_->block_limits(); }
    int execute(Request& request) override { return inner_->carry_out(request, false); }

private:
    const std::shared_ptr<CorDevice> inner_;
};

}  // namespace resilience::cor
