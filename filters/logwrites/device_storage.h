// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "filters/logwrites/log_storage.h"

namespace resilience::logwrites {

/// A log on anything that has a size: a block device, an NBD server.
class DeviceStorage final : public LogStorage {
public:
    DeviceStorage(std::shared_ptr<Device> device, std::string name)
        : device_(std::move(device)), name_(std::move(name))
    {
    }

    const std::string& name() const override { return name_; }
    std::uint64_t size() const override { return device_->size(); }
    bool fixed_size() const override { return true; }
    int read(std::uint64_t position, std::span<std::byte> into) override;
    int write(std::uint64_t position, std::span<iovec> parts) override;
    int write_hole(std::uint64_t position, std::uint64_t length) override;
    int reserve(std::uint64_t, std::uint64_t) override { return 0; }
    void extend(std::uint64_t) override {}
    void release(std::uint64_t, std::uint64_t) override {}
    int cut(std::uint64_t) override { return 0; }
    int sync() override;
    void start() override { device_->start(); }
    void stop(std::chrono::milliseconds limit) override { device_->stop(limit); }
    std::uint32_t block_size() const override
    { return device_->block_limits().minimum;
    }

private:
    const std::shared_ptr<Device> device_;
    const std::string name_;
};

}  // namespace resilience::logwrites
