// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/device/blocking_device.h"
#include "common/replay/content_map.h"
#include "common/replay/log_file.h"

namespace resilience::writelog {

/// Fills `into` with `pieces`, which are all of it, without gaps: from the log,
/// the base (null, and what lies behind its end: zeroes), or with zeroes.
/// Returns 0 or a positive errno.
int read_pieces(const LogFile& log, Device* base, const std::vector<Piece>& pieces,
                std::span<std::byte> into);

/// One state of a logged device, read-only: a map over the log and the base.
/// Nothing is copied.  Made with std::make_shared, like every BlockingDevice;
/// the base is started and stopped by its owner.
class StateDevice final : public BlockingDevice {
public:
    /// `base`: what the device held before the log began; null means zeroes.
    /// `size`: of the device, in bytes; what lies behind the base's end is zero.
    StateDevice(std::shared_ptr<const LogFile> log, std::shared_ptr<Device> base, ContentMap map,
                std::uint64_t size, std::string name);

    std::string describe() const override { return name_; }
    std::uint64_t size() const override { return size_; }
    Capabilities capabilities() const override;
    int execute(Request& request) override;

private:
    int extents(Request& request);
    int base_extents(const Piece& piece, ExtentList& extents);

    const std::shared_ptr<const LogFile> log_;
    const std::shared_ptr<Device> base_;
    const ContentMap map_;
    const std::uint64_t size_;
    const std::string name_;
};

}  // namespace resilience::writelog
