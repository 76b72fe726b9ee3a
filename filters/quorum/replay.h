// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Writing again to a child what it may have forgotten, or has missed.
//
// A child whose link was lost is replayable where it was written since its last flush
// (child.h).  Each of its sectors there has what was flushed, or some later write.  All
// these writes are kept (unflushed_data.h), and so are those that it missed.  So the
// newest of each byte, written once more, makes the child what it has to be, whether its
// server has lost anything or not, and whoever else is there.
//
// It is done with the range locked, as a copy is, and only to a child that owes
// nothing: a late write from before must not land on top.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "filters/quorum/fanout.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

class Replay {
public:
    explicit Replay(State& state) : state_(state) {}

    /// Writes some of what `child`, which is online, may lack: about
    /// `most_bytes` of data.  Returns how much that was, or nullopt if it is not worth
    /// calling again soon.  One thread at a time.
    std::optional<std::uint64_t> step(const ChildPtr& child, std::uint64_t most_bytes);

private:
    /// A range that is being made good.
    struct Part {
        ByteRange range;
        RangeLock::Guard guard;
        std::vector<UnflushedData::Piece> pieces;
        std::uint64_t bytes = 0;  ///< of data in them
        bool failed = false;
    };

    std::vector<Part> next_parts(const Child& child, std::uint64_t most_bytes);
    void write(const ChildPtr& child, std::vector<Part>& parts);

    State& state_;
    std::map<std::string, TimePoint> not_before_;  // by name of child
};

}  // namespace resilience::quorum
