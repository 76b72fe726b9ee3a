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

/// What a client sees that connects to leave a mark: nothing.
class EmptyDevice final : public Device {
public:
    std::string describe() const override { return "mark"; }
    std::uint64_t size() const override { return 0; }
    Capabilities capabilities() const override
    {
        Capabilities nothing;
        nothing.writable = false;
        return nothing;
    }
    int execute(Request& request) override { return request.op == Op::flush ? 0 : 22 /* EINVAL */; }
    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        done(execute(*request));
    }
};

}  // namespace resilience::logwrites
