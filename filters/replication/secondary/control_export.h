// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <mutex>

#include "common/device/blocking_device.h"
#include "filters/replication/pair/wire.h"
#include "filters/replication/secondary/actions.h"
#include "filters/replication/secondary/core.h"

namespace resilience::replication {

/// The export `control` as one connection sees it; see wire.h.
class ControlExport final : public BlockingDevice {
public:
    ControlExport(std::shared_ptr<Core> core, Actions& actions);

    std::string describe() const override { return "control"; }
    std::uint64_t size() const override { return wire::control_bytes; }
    Capabilities capabilities() const override;
    int execute(Request& request) override;

private:
    int command(std::span<const std::byte> bytes);
    int read(Request& request);
    wire::Status status() const;

    const std::shared_ptr<Core> core_;
    Actions& actions_;
    mutable std::mutex mutex_;     ///< one command at a time; what came of the last one
    std::uint64_t sequence_ = 0;
    std::uint64_t session_ = 0;
    Refusal refusal_ = Refusal::none;
    std::string text_;
};

}  // namespace resilience::replication
