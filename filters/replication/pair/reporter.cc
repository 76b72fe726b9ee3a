// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/pair/reporter.h"

#include <cstring>

#include "common/control/json.h"
#include "common/core/log.h"

namespace resilience::replication {

void Reporter::state(State now, std::uint64_t epoch)
{
    log::notice("replication: {}: state {}, epoch {}", name_, to_string(now), epoch);
    events_.emit("REPLICATION_STATE", {{"name", name_},
                                       {"state", std::string(to_string(now))},
                                       {"epoch", epoch}});
}

void Reporter::io_error(const char* what, std::uint64_t offset, std::uint64_t length, int error)
{
    if (failing_.exchange(true)) {
        return;
    }
    log::error("replication: {}: {} failed at {} ({} bytes): {}", name_, what, offset, length,
               std::strerror(error));
    events_.emit("REPLICATION_ERROR", {{"name", name_},
                                       {"operation", what},
                                       {"offset", offset},
                                       {"length", length},
                                       {"error", std::strerror(error)}});
}

void Reporter::checkpoint(std::uint64_t number)
{
    events_.emit("REPLICATION_CHECKPOINT", {{"name", name_}, {"checkpoint", number}}, name_);
}

void Reporter::session(const std::string& text)
{
    log::notice("replication: {}: {}", name_, text);
}

void Reporter::refused(const std::string& why)
{
    log::warning("replication: {}: a primary is refused: {}", name_, why);
    events_.emit("REPLICATION_REFUSED", {{"name", name_}, {"reason", why}}, name_);
}

}  // namespace resilience::replication
