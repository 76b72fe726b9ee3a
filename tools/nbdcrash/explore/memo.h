// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is known already, so that it need not be checked again.
//
// Two states with the same content are one state.  And so are two that differ
// only where the checker of the first has read nothing: a checker that gives
// the same answer to the same input goes the same way through both.  For that
// there is, for each epoch, a list of the sets of places that checkers have
// read, and for each set the contents seen there.

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "tools/nbdcrash/explore/contents.h"

namespace resilience::nbdcrash {

/// One thread at a time.  States are known by their number in the list.
class Memo {
public:
    /// The first state with that content.  If there is none, it is `number`
    /// from now on.
    std::optional<std::uint64_t> same_content(const StateContent& content, std::uint64_t number);

    /// The first state that looked the same to its checker.
    std::optional<std::uint64_t> same_reads(const StateContent& content) const;

    /// State `number`, in which the checker has read `reads`.
    void add(const StateContent& content, const std::vector<resilience::ByteRange>& reads,
             std::uint64_t number);

private:
    struct ReadSet {
        std::vector<bool> places;
        std::unordered_map<ContentValue, std::uint64_t, ContentValueHash> states;
    };

    std::unordered_map<ContentValue, std::uint64_t, ContentValueHash> contents_;
    /// By EpochPlaces::begin and end.
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<ReadSet>> epochs_;
};

}  // namespace resilience::nbdcrash
