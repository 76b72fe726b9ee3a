// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/memo.h"

#include <algorithm>

namespace resilience::nbdcrash {

namespace {

// Checkers of one file system mostly read the same places.  Sets are compared
// one by one, so their number is bounded; what is not kept is checked.
constexpr std::size_t most_sets = 128;

/// Of the places in `set` alone.
ContentValue value_in(const StateContent& content, const std::vector<bool>& set)
{
    ContentValue sum = content.salt;
    for (std::size_t i = 0; i < set.size(); i++) {
        if (set[i]) {
            sum += content.values[i];
        }
    }
    return sum;
}

/// Which places `reads` touches; both are ascending.
std::vector<bool> touched(const std::vector<ByteRange>& places,
                          const std::vector<resilience::ByteRange>& reads)
{
    std::vector<bool> set(places.size());
    auto read = reads.begin();
    for (std::size_t i = 0; i < places.size(); i++) {
        while (read != reads.end() && read->end <= places[i].offset) {
            ++read;
        }
        set[i] = read != reads.end() && read->begin < places[i].end();
    }
    return set;
}

}  // namespace

std::optional<std::uint64_t> Memo::same_content(const StateContent& content,
                                                std::uint64_t number)
{
    const auto [known, is_new] = contents_.emplace(content.device, number);
    return is_new ? std::nullopt : std::optional(known->second);
}

std::optional<std::uint64_t> Memo::same_reads(const StateContent& content) const
{
    const auto epoch = epochs_.find({content.epoch->begin, content.epoch->end});
    std::optional<std::uint64_t> first;
    if (epoch == epochs_.end()) {
        return first;
    }
    for (const ReadSet& set : epoch->second) {
        const auto state = set.states.find(value_in(content, set.places));
        if (state != set.states.end()) {
            first = std::min(first.value_or(state->second), state->second);
        }
    }
    return first;
}

void Memo::add(const StateContent& content, const std::vector<resilience::ByteRange>& reads,
               std::uint64_t number)
{
    std::vector<bool> places = touched(content.epoch->places, reads);
    std::vector<ReadSet>& sets = epochs_[{content.epoch->begin, content.epoch->end}];
    auto set = std::ranges::find(sets, places, &ReadSet::places);
    if (set == sets.end()) {
        if (sets.size() == most_sets) {
            return;
        }
        sets.push_back({std::move(places), {}});
        set = std::prev(sets.end());
    }
    set->states.emplace(value_in(content, set->places), number);
}

}  // namespace resilience::nbdcrash
