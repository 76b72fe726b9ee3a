// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "filters/copy-on-read/engine.h"

namespace resilience::cor {

/// Fetches ranges ahead of their use, many at a time, on one thread: for the
/// stream, the trace and NBD_CMD_CACHE.
///
/// Used by one thread.  While something is in flight, guests' writes there wait
/// for it, so drain() before any pause.
class Pipeline {
public:
    /// `depth`: asked before each piece, how many may be in flight (at least 1).
    Pipeline(Engine& engine, std::function<unsigned()> depth)
        : engine_(engine), depth_(std::move(depth))
    {
    }
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;
    ~Pipeline() { drain(); }

    /// Starts fetching what is absent of `range`, at most largest_fetch bytes of
    /// it (or one cluster); first waits for older ones while too many are in
    /// flight.  Returns where it got to: the rest is for the next call.
    std::uint64_t add(Clusters range);
    /// Waits for all that is in flight.
    void drain();
    /// The first error since the last call, or 0.
    int take_error() { return std::exchange(error_, 0); }

private:
    struct Piece {
        RangeLock::Guard guard;
        Segments segments;
    };

    bool lock(Piece& piece, Clusters range);
    void settle_oldest();
    void note(int error);

    Engine& engine_;
    std::function<unsigned()> depth_;
    std::deque<Piece> flying_;
    int error_ = 0;
};

}  // namespace resilience::cor
