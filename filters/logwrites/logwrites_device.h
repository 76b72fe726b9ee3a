// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "common/device/blocking_device.h"
#include "filters/logwrites/recorder.h"

namespace resilience::logwrites {

/// What one client sees of the recorded device: the log notes whose request
/// it was.  Made with std::make_shared, like every BlockingDevice.
class LogwritesDevice final : public BlockingDevice {
public:
    /// `connection`: 1, 2, ...; 0 for none.
    LogwritesDevice(std::shared_ptr<Recorder> recorder, std::uint32_t connection)
        : BlockingDevice("logwrites"), recorder_(std::move(recorder)), connection_(connection)
    {
    }

    std::string describe() const override { return "logwrites"; }
    std::uint64_t size() const override { return recorder_->device().size(); }
    Capabilities capabilities() const override { return recorder_->capabilities(); }
    BlockLimits block_limits() const override { return recorder_->device().block_limits(); }
    int execute(Request& request) override { return recorder_->execute(request, connection_); }

private:
    const std::shared_ptr<Recorder> recorder_;
    const std::uint32_t connection_;
};

/// A device that has properties and no content: what a client sees that connects
/// to leave a mark, and what there is before the recording has begun.
class SilentDevice final : public Device {
public:
    SilentDevice(std::uint64_t size, const Capabilities& capabilities, const BlockLimits& limits)
        : size_(size), capabilities_(capabilities), limits_(limits)
    {
    }
    std::string describe() const override { return "logwrites"; }
    std::uint64_t size() const override { return size_; }
    Capabilities capabilities() const override { return capabilities_; }
    BlockLimits block_limits() const override { return limits_; }
    int execute(Request& request) override { return request.op == Op::flush ? 0 : 22 /* EINVAL */; }
    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        done(execute(*request));
    }

private:
    const std::uint64_t size_;
    const Capabilities capabilities_;
    const BlockLimits limits_;
};

}  // namespace resilience::logwrites
