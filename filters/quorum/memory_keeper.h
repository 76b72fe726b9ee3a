// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Between the requests and the memory: what has to be remembered of the children at this
// moment, and what is done about it in a while.

#include <cstdint>
#include <optional>
#include <vector>

#include "common/core/content_witness.h"
#include "common/thread/clock.h"
#include "filters/quorum/memory.h"
#include "filters/quorum/settle.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// What children miss, and what those that have not flushed may forget, is in the memory
/// before it can matter: call it before a write or a flush is acknowledged, with a guard.
/// 0, or an errno: then it must not be.
int record_missing(State& state, const Children& not_flushed);

/// Who is foreign is in the memory: call it before an intent hides where that shows.  There
/// is a memory.
int record_foreign(State& state);

/// Looks after the memory in the background.  One thread.
class MemoryKeeper {
public:
    /// `memory` may be null: then it does nothing.
    MemoryKeeper(State& state, const Settler& settler) : state_(state), settler_(settler) {}

    /// Does what is due.
    void step();

private:
    void note_maps(Memory& memory);
    bool wants_flush(const Memory& memory) const;
    void clear_idle(Memory& memory);
    std::optional<ContentDigest> digest_at(std::uint64_t offset);
    bool take_witness(Memory& memory, const std::vector<std::uint64_t>& offsets);
    void look_around(Memory& memory);

    State& state_;
    const Settler& settler_;
    TimePoint next_{};
    TimePoint next_clear_{};
    TimePoint next_look_{};
    std::uint64_t look_from_ = 0;  ///< offset
};

}  // namespace resilience::quorum
