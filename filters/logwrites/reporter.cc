// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/reporter.h"

#include "common/control/json.h"
#include "common/core/log.h"

namespace resilience::logwrites {

void Reporter::mark(std::string_view name, std::uint64_t entry, std::string_view way)
{
    bus_.emit("LOGWRITES_MARK",
              {{"name", std::string(name)}, {"entry", entry}, {"via", std::string(way)}});
    log::debug("logwrites: entry {} is the mark '{}' ({})", entry, name, way);
}

void Reporter::stopped(const std::string& reason, bool changes_fail)
{
    if (changes_fail) {
        log::error("logwrites: the recording has ended: {}; from now on all changes of the device "
                   "fail",
                   reason);
    } else {
        log::warning("logwrites: the recording has ended: {}; the device goes on without it",
                     reason);
    }
    bus_.emit("LOGWRITES_STOPPED",
              {{"reason", reason}, {"action", changes_fail ? "error" : "stop"}});
}

}  // namespace resilience::logwrites
