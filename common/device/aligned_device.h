// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Any request, for a device that takes only whole blocks.
//
// A request that is aligned to the inner device's block_limits().minimum goes
// straight through.  The head and tail of any other are done by read, modify,
// write of the block they lie in.
//
// That touches neighbours: bytes of the same block outside the request are
// read and written back.  Two writes to different halves of one block would
// undo each other.  This class has no lock of its own; whoever uses it locks
// ranges already, and has to round them to block_limits().minimum, which for
// this reason still tells the inner device's.

#include <cstddef>
#include <memory>
#include <span>

#include "common/device/blocking_device.h"

namespace resilience {

/// Decorates `inner`.  Made by std::make_shared only.
class AlignedDevice : public BlockingDevice {
public:
    explicit AlignedDevice(std::shared_ptr<Device> inner);

    std::string describe() const override { return inner_->describe(); }
    /// Rounded down to whole blocks: nothing could touch a part of one.
    std::uint64_t size() const override { return size_; }
    Capabilities capabilities() const override { return inner_->capabilities(); }
    BlockLimits block_limits() const override { return inner_->block_limits(); }

    int execute(Request& request) override;
    void submit(std::shared_ptr<Request> request, Completion done) override;
    std::optional<int> execute_now(Request& request) override;
    bool immediate(Op op) const override { return inner_->immediate(op); }

    Link link() const override { return inner_->link(); }
    std::string link_error() const override { return inner_->link_error(); }
    void resume() override { inner_->resume(); }
    Progress progress() const override { return inner_->progress(); }
    bool may_be_as_before() const override { return inner_->may_be_as_before(); }
    int invalidate_cache() override { return inner_->invalidate_cache(); }
    void start() override;
    void stop(std::chrono::milliseconds limit) override;

private:
    struct Split;
    Split split(const Request& request) const;
    bool is_aligned(const Request& request) const;
    Request widened(const Request& request) const;
    int read(Request& request);
    int modify(Request& request);
    int modify_part(const Request& request, std::uint64_t offset, std::uint64_t length);
    int extents(Request& request);

    const std::shared_ptr<Device> inner_;
    const std::uint64_t block_;
    const std::uint64_t size_;
};

}  // namespace resilience
