// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <utility>

#include "common/device/device.h"

namespace resilience::logreplay {

/// The base image.  A server that was away and is back is used again at once:
/// nothing is ever written to it, so there is nothing it could have forgotten.
class BaseDevice final : public Device {
public:
    explicit BaseDevice(std::shared_ptr<Device> inner) : inner_(std::move(inner)) {}

    std::string describe() const override { return inner_->describe(); }
    std::uint64_t size() const override { return inner_->size(); }
    Capabilities capabilities() const override { return inner_->capabilities(); }
    BlockLimits block_limits() const override { return inner_->block_limits(); }

    int execute(Request& request) override
    {
        accept_return();
        return inner_->execute(request);
    }
    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        accept_return();
        inner_->submit(std::move(request), std::move(done));
    }

    void start() override { inner_->start(); }
    void stop(std::chrono::milliseconds limit) override { inner_->stop(limit); }

private:
    void accept_return()
    {
        if (inner_->link() == Link::returned) {
            inner_->resume();
        }
    }

    const std::shared_ptr<Device> inner_;
};

}  // namespace resilience::logreplay
