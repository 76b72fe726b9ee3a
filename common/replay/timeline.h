// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A log as a function of time: give a point or a state, get the device's
// content as a map.
//
// A map at entry N is a map at an earlier snapshot plus the entries between.
// Snapshots are made on the way, at fixed distances, and share what they have
// in common (see content_map.h), so that any point is at most that distance
// away from one.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "common/replay/content_map.h"
#include "common/replay/point.h"

namespace resilience::writelog {

/// What a discarded range reads as afterwards.  NBD promises nothing.
enum class Discard : std::uint8_t {
    zero,  ///< zeroes, as on files with holes
    keep,  ///< what was there before: the discard was ignored
};

/// Safe to use from any thread.
class Timeline {
public:
    /// Throws LogError if the log is damaged.
    Timeline(std::shared_ptr<const LogFile> log, std::shared_ptr<const LogIndex> index,
             Discard discard = Discard::zero);

    const LogFile& log() const { return *log_; }
    const LogIndex& index() const { return *index_; }

    /// The content once the first `entries` entries are done.
    ContentMap at(std::uint64_t entries) const;
    ContentMap at(const State& state) const;

private:
    void apply(ContentMap& map, std::uint64_t entry) const;
    void apply_torn(ContentMap& map, const Tear& tear) const;

    const std::shared_ptr<const LogFile> log_;
    const std::shared_ptr<const LogIndex> index_;
    const Discard discard_;
    mutable std::mutex mutex_;
    mutable std::map<std::uint64_t, ContentMap> snapshots_;  ///< by number of entries
};

/// Puts what entry `entry` did into `map`: its exact bytes, not the padding.
void apply_entry(const LogIndex& index, const LogFile& log, std::uint64_t entry, Discard discard,
                 ContentMap& map);

}  // namespace resilience::writelog
