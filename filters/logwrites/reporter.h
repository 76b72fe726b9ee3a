// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the recording has to say, as events of the control socket and as lines
// of the server's log.

#include <cstdint>
#include <string>
#include <string_view>

#include "common/control/event_bus.h"

namespace resilience::logwrites {

class Reporter {
public:
    explicit Reporter(EventBus& bus) : bus_(bus) {}

    /// LOGWRITES_MARK.
    void mark(std::string_view name, std::uint64_t entry, std::string_view way);
    /// LOGWRITES_STOPPED: the recording has ended before its time.
    void stopped(const std::string& reason, bool changes_fail);

private:
    EventBus& bus_;
};

}  // namespace resilience::logwrites
