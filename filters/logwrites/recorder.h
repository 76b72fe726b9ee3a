// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A device whose changes are recorded.
//
// What the log is for decides on everything here: replaying all of it must give
// the device, byte for byte, whatever the clients have done at the same time,
// and replaying a part of it must give a state that the device could have been
// left in.  Hence the order of a change:
//
//   lock      its whole log sectors, against all other changes.  The order of
//             overlapping entries in the log is then that of the device; and
//             what padding was read stays true until it is logged
//   padding   read from the device, before anything has changed: if it cannot
//             be read, the request fails and nothing has happened
//   admit     the log will have room for it, else the device stays untouched
//   device    the client's own request, unpadded, on the caller's thread
//   append    if the device has done it, and only then: its place in the log
//             is in the order of completion
//   unlock, answer
//
// A trim goes to the device as a zero that may unmap: what a trimmed range
// reads as is else the device's secret, and no replay could equal it.  A device
// that cannot do that offers no trim.
//
// A request that has failed on the device is not in the log.  What the device
// holds in its range then (old, new, a part of each) nobody knows, as with any
// disk, and the log holds the old.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/device/device.h"
#include "common/device/range_lock.h"
#include "filters/logwrites/log_writer.h"
#include "filters/logwrites/options.h"
#include "filters/logwrites/pieces.h"

namespace resilience::logwrites {

/// What `device` can do when it is recorded.
Capabilities recorded_capabilities(const Device& device);

/// All members are safe to call from any thread.
class Recorder {
public:
    /// How a mark came, for events: "control", "export" or "mailbox".
    using OnMark = std::function<void(std::string_view name, std::uint64_t entry,
                                      std::string_view way)>;

    Recorder(std::shared_ptr<Device> device, LogWriter& writer, const Options& options,
             OnMark on_mark);

    Device& device() { return *device_; }
    Capabilities capabilities() const { return recorded_capabilities(*device_); }

    /// Carries `request` out for a client, on the caller's thread, and logs it.
    int execute(Request& request, std::uint32_t connection);

    /// Inserts a mark; 0 once the log's superblock counts it.  EINVAL for a
    /// name that is not allowed (marks.h), EPIPE when the recording has
    /// stopped.  `entry`: its number.
    int mark(std::string_view name, std::uint32_t connection, std::string_view way,
             std::uint64_t* entry = nullptr);

private:
    int change(Request& request, std::uint32_t connection);
    int write(Request& request, std::uint32_t connection);
    int zero_or_trim(Request& request, std::uint32_t connection);
    int carry_out(Request& request, std::span<LogItem> items, const Stamp& issued);
    RangeLock::Guard lock(const Request& request);
    bool in_mailbox(const Request& request, std::string& name) const;
    int write_around_mailbox(Request& request, const std::string& name, std::uint32_t connection);
    int write_part(const Request& request, std::uint64_t begin, std::uint64_t end,
                   std::uint32_t connection);

    const std::shared_ptr<Device> device_;
    LogWriter& writer_;
    const Options options_;
    const OnMark on_mark_;
    const Geometry geometry_;
    const std::vector<std::byte> zeroes_;  ///< a sector
    RangeLock ranges_;
};

}  // namespace resilience::logwrites
