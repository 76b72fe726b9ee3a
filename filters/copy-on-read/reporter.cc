// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/reporter.h"

#include <cstring>

#include "common/control/json.h"
#include "common/core/log.h"

namespace resilience::cor {

void Reporter::store_failed(const std::string& file, std::uint64_t offset, std::uint64_t length,
                            int error)
{
    if (store_failing_.exchange(true)) {
        return;
    }
    log::error("copy-on-read: cor-file='{}': what was read at {} ({} bytes) cannot be kept: {}; "
               "reads go on without keeping anything until that works again",
               file, offset, length, std::strerror(error));
    events_.emit("COR_STORE_FAILED", {{"file", file},
                                      {"offset", offset},
                                      {"length", length},
                                      {"error", std::strerror(error)}});
}

void Reporter::store_works(const std::string& file)
{
    if (store_failing_.load(std::memory_order_relaxed) && store_failing_.exchange(false)) {
        log::notice("copy-on-read: cor-file='{}': what is read is kept again", file);
        events_.emit("COR_STORE_WORKS", {{"file", file}});
    }
}

void Reporter::sync_failed(const std::string& file, int error)
{
    if (sync_failing_.exchange(true)) {
        return;
    }
    log::error("copy-on-read: cor-file='{}' cannot be made durable: {}; flushes fail from now on",
               file, std::strerror(error));
    events_.emit("COR_SYNC_FAILED", {{"file", file}, {"error", std::strerror(error)}});
}

void Reporter::source_lost(const std::string& source, const std::string& why)
{
    if (lost_.exchange(true)) {
        return;
    }
    log::error("copy-on-read: the source '{}' is lost: {}; what is local stays readable, the rest "
               "is an error until it returns",
               source, why);
    events_.emit("COR_SOURCE_LOST", {{"source", source}, {"reason", why}});
}

void Reporter::source_returned(const std::string& source)
{
    if (lost_.exchange(false)) {
        log::notice("copy-on-read: the source '{}' is back", source);
        events_.emit("COR_SOURCE_RETURNED", {{"source", source}});
    }
}

void Reporter::source_refused(const std::string& why)
{
    log::error("copy-on-read: {}", why);
    events_.emit("COR_SOURCE_REFUSED", {{"reason", why}});
}

void Reporter::complete(const std::string& file, std::uint64_t size)
{
    log::debug("copy-on-read: cor-file='{}' is complete, the source is not needed any more", file);
    events_.emit("COR_COMPLETE", {{"file", file}, {"size", size}});
}

void Reporter::stream(const std::string& state, std::uint64_t done, std::uint64_t total)
{
    events_.emit("COR_STREAM", {{"state", state}, {"done", done}, {"total", total}});
}

}  // namespace resilience::cor
