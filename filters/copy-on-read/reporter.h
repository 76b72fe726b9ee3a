// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "common/control/event_bus.h"

namespace resilience::cor {

/// What is counted; exact, and for good.
struct Counters {
    std::atomic<std::uint64_t> fetches{0};          ///< reads of the source
    std::atomic<std::uint64_t> fetched_bytes{0};
    std::atomic<std::uint64_t> passed_bytes{0};     ///< read from the source and not kept
    std::atomic<std::uint64_t> stored_bytes{0};     ///< kept, zeroes included
    std::atomic<std::uint64_t> joined{0};           ///< reads that waited for another's fetch
    /// Fetched for the trace, the stream or a cache request.
    std::atomic<std::uint64_t> prefetched_bytes{0};
    std::atomic<std::uint64_t> source_errors{0};
    std::atomic<std::uint64_t> timeouts{0};
    std::atomic<std::uint64_t> store_failures{0};   ///< what was read and could not be kept
};

/// Says what happens: to the log, and as an event to who listens.  Each
/// trouble once, until it is over.  Thread-safe.
class Reporter {
public:
    explicit Reporter(EventBus& events) : events_(events) {}

    void store_failed(const std::string& file, std::uint64_t offset, std::uint64_t length,
                      int error);
    void store_works(const std::string& file);
    void sync_failed(const std::string& file, int error);
    void source_lost(const std::string& source, const std::string& why);
    void source_returned(const std::string& source);
    void source_refused(const std::string& why);
    void complete(const std::string& file, std::uint64_t size);
    void stream(const std::string& state, std::uint64_t done, std::uint64_t total);

private:
    EventBus& events_;
    std::atomic<bool> store_failing_{false};
    std::atomic<bool> sync_failing_{false};
    std::atomic<bool> lost_{false};
};

}  // namespace resilience::cor
