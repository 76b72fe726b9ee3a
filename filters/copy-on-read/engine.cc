// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/engine.h"

#include <algorithm>

namespace resilience::cor {

void Pipeline::note(int error)
{
    if (error_ == 0) {
        error_ = error;
    }
}

/// With something in flight this thread must not wait for a lock: a writer may
/// stand between us and what only we can settle.
bool Pipeline::lock(Piece& piece, Clusters range)
{
    while (!flying_.empty()) {
        piece.guard = engine_.lock_clusters(range, LockMode::shared, TimePoint{});
        if (piece.guard) {
            return true;
        }
        settle_oldest();
    }
    piece.guard = engine_.lock_clusters(range, LockMode::shared, engine_.lock_deadline());
    return static_cast<bool>(piece.guard);
}

std::uint64_t Pipeline::add(Clusters range)
{
    const ClusterMap& map = engine_.local->map();
    const std::uint64_t most = std::max<std::uint64_t>(largest_fetch / map.cluster_size(), 1);
    range.first = std::min(map.next_absent(range.first), range.last);
    if (range.empty()) {
        return range.last;
    }
    range.last = std::min(range.last, range.first + most);
    while (!flying_.empty() && flying_.size() >= std::max(depth_(), 1U)) {
        settle_oldest();
    }
    Piece piece;
    if (const int error = engine_.source.ready(engine_.source_deadline())) {
        note(error);
        return range.last;
    }
    if (engine_.depth.limited()) {
        if (const int error = engine_.depth.learn(range, engine_.source_deadline())) {
            note(error);
            return range.last;
        }
        while (!range.empty() && !engine_.depth.wanted(range.first)) {
            range.first++;
        }
        std::uint64_t end = range.first;
        while (end < range.last && engine_.depth.wanted(end)) {
            end++;
        }
        if (range.empty()) {
            return range.last;
        }
        range.last = end;
    }
    if (!lock(piece, range)) {
        note(EIO);
        return range.last;
    }
    piece.segments = engine_.fetches.begin(range, engine_.source_deadline());
    flying_.push_back(std::move(piece));
    return range.last;
}

void Pipeline::settle_oldest()
{
    Piece piece = std::move(flying_.front());
    flying_.pop_front();
    for (const Segment& segment : piece.segments) {
        if (!segment.mine) {
            continue;  // who claimed it will see to it
        }
        const Fetches::Settled settled = engine_.fetches.settle(segment);
        note(settled.fetched != 0 ? settled.fetched : settled.stored);
        if (settled.fetched == 0) {
            engine_.counters.prefetched_bytes += segment.fetch->length();
        }
    }
}

void Pipeline::drain()
{
    while (!flying_.empty()) {
        settle_oldest();
    }
}

}  // namespace resilience::cor
