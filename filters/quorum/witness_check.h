// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Comparing a child with the content witness while nobody waits for it.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/core/content_witness.h"
#include "common/device/buffer_pool.h"
#include "common/device/device.h"
#include "common/format/quorum_memory.h"

namespace resilience::quorum {

/// The places where a member must have what was left there, by a memory of before: those
/// outside of regions with an intent, and of what it misses.
std::vector<WitnessPlace> comparable_places(const memoryfile::Content& memory,
                                            std::size_t member);

/// For people: how a member differs.
std::string in_words(const WitnessFindings& findings);

/// Reads of all places, sent at once.  It may go before they are answered.
class WitnessCheck {
public:
    WitnessCheck(Device& device, std::vector<WitnessPlace> places);

    /// All have been answered.
    bool ended() const;
    /// Once it has ended.  What could not be read was not compared.
    WitnessFindings findings() const;

private:
    struct Read {
        WitnessPlace place;
        Buffer content;
        int error = 0;
    };
    struct Reads {
        std::vector<Read> all;
        std::atomic<std::size_t> pending{0};
    };
    const std::shared_ptr<Reads> reads_ = std::make_shared<Reads>();
};

}  // namespace resilience::quorum
