// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a state contains, as numbers that can be compared: so that the same
// content is checked once, however it came about.
//
// A sector's value is a hash of its number and its bytes; a range's value is
// the sum of its sectors' values, a device's the sum of all.  A sum can be
// corrected: states of one epoch differ from each other only where that
// epoch wrote, so only those places are looked at, however large the device
// is.  Bytes of the log are hashed once.  What no entry has touched counts
// as nothing, and so do zeroes on a device that began as zeroes.
//
// The places are cut into pieces that each write of the epoch covers wholly or
// not at all; a state then is a vector with a value for each of them.

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/device/device.h"
#include "common/replay/timeline.h"
#include "tools/nbdcrash/content.h"

namespace resilience::nbdcrash {

/// A sum of hashes.
struct ContentValue {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    ContentValue& operator+=(const ContentValue& other);
    ContentValue& operator-=(const ContentValue& other);
    friend bool operator==(const ContentValue&, const ContentValue&) = default;
};

struct ContentValueHash {
    std::size_t operator()(const ContentValue& value) const { return value.low; }
};

/// Of a mark's name.  With it, the same content with another promise is another
/// question.
ContentValue value_of_mark(std::string_view name);

/// The places that one epoch wrote, from its first entry on; or several epochs, for
/// states in which a flush is still in flight.
struct EpochPlaces {
    std::uint64_t begin = 0;             ///< entries: all before is the same in each state
    std::uint64_t end = 0;               ///< entries
    std::vector<ByteRange> places;       ///< ascending, in whole log sectors
    std::vector<ContentValue> before;    ///< of each place, before the epoch
    ContentValue device;                 ///< the whole device, before the epoch
};

/// What a state holds.
struct StateContent {
    std::shared_ptr<const EpochPlaces> epoch;
    std::vector<ContentValue> values;    ///< of the epoch's places
    ContentValue device;                 ///< of all of it: equal values, equal content
    ContentValue salt;                   ///< what else has to be equal
    writelog::ContentMap map;
};

/// One thread at a time.  Throws ToolError or LogError for what cannot be read.
class Contents {
public:
    /// `from`, `to`: the range of entries that is explored.
    Contents(std::shared_ptr<const writelog::Timeline> timeline, std::shared_ptr<Device> base,
             std::uint64_t from, std::uint64_t to);

    StateContent of(const writelog::State& state);

    /// Of all sectors that `map`, a map of any log over a state of this one, has put
    /// something into: what `device` holds there.
    ContentValue value_over(const writelog::ContentMap& map, Device& device) const;

private:
    std::shared_ptr<const EpochPlaces> epoch_at(std::uint64_t entries);
    std::shared_ptr<const EpochPlaces> epochs_from(std::uint64_t first, std::uint64_t entries);
    std::shared_ptr<EpochPlaces> places_of(std::uint64_t begin, std::uint64_t end) const;
    ContentValue value(const writelog::ContentMap& map, const ByteRange& range);
    ContentValue value_of_piece(const writelog::Piece& piece);
    ContentValue value_of_sector(const writelog::ContentMap& map, std::uint64_t offset);
    ContentValue hash_log(const writelog::Piece& piece);

    /// Bytes of the log at one place of the device.
    struct Key {
        std::uint64_t offset;
        std::uint64_t length;
        std::uint64_t position;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };

    const std::shared_ptr<const writelog::Timeline> timeline_;
    const std::shared_ptr<Device> base_;
    const std::uint64_t to_;
    const std::uint64_t sector_size_;
    /// By EpochPlaces::begin, in order without gaps.
    std::map<std::uint64_t, std::shared_ptr<const EpochPlaces>> epochs_;
    /// Those of several epochs, by begin and end.
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<const EpochPlaces>> wide_;
    std::uint64_t next_epoch_;  ///< begin of the first one that is not in epochs_
    ContentValue next_device_;
    std::unordered_map<Key, ContentValue, KeyHash> hashed_;
    std::vector<std::byte> buffer_;
};

}  // namespace resilience::nbdcrash
