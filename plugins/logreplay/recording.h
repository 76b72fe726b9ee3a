// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A log that is open, with all that is needed to serve any state of it.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/control/json_fwd.h"
#include "common/device/device.h"
#include "common/nbdkit/module.h"
#include "common/replay/timeline.h"
#include "plugins/logreplay/options.h"

namespace resilience::logreplay {

/// Immutable, so a connection keeps the one that it began with when the log is
/// read again.  Safe to use from any thread.
class Recording {
public:
    /// Opens options.log as it is now; entries that are added later are not
    /// seen.  `base`: null means zeroes.  Throws SetupError if the log is
    /// damaged, the sizes of log, base and options do not go together, or
    /// options.point is no state of the log.
    Recording(const Options& options, std::shared_ptr<Device> base);

    /// The device at the state `name` ("": the default), read-only.  Throws
    /// SetupError if the log has no such state.
    std::shared_ptr<Device> open(const std::string& name) const;

    /// A number that is the same only for the same state of the same log and
    /// device: all that this state is made of goes into it, but not the base's
    /// content.  Throws SetupError as open() does.
    std::uint64_t identity(const std::string& name) const;

    /// The state that `name` means: itself, or the default.
    const std::string& resolve(const std::string& name) const;

    std::uint64_t size() const { return size_; }  ///< of the device, bytes
    std::vector<Export> exports() const;
    Json status() const;

private:
    writelog::State state(const std::string& name) const;

    std::string point_;
    writelog::Discard discard_;
    std::shared_ptr<Device> base_;
    std::shared_ptr<const writelog::LogFile> log_;
    std::shared_ptr<const writelog::LogIndex> index_;
    std::unique_ptr<const writelog::Timeline> timeline_;
    std::uint64_t size_ = 0;
};

}  // namespace resilience::logreplay
