// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/enumerate.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tools/nbdcrash/explore/tears.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

constexpr std::size_t portion = 64;
constexpr unsigned most_fua_tears = 8;  // at random, together with subsets

/// Entries of `open` whose bit in `mask` is set.
std::vector<std::uint64_t> chosen(const std::vector<std::uint64_t>& open, std::uint64_t mask)
{
    std::vector<std::uint64_t> result;
    for (std::size_t i = 0; i < open.size(); i++) {
        if ((mask >> i & 1) != 0) {
            result.push_back(open[i]);
        }
    }
    return result;
}

/// Each of the first `count` with a chance of 1, 2 or 3 of 4.
std::vector<std::uint64_t> drawn(const std::vector<std::uint64_t>& open, std::size_t count,
                                 std::mt19937_64& random)
{
    const std::uint64_t chance = 1 + below(random, 3);
    std::vector<std::uint64_t> result;
    for (std::size_t i = 0; i < count; i++) {
        if (below(random, 4) < chance) {
            result.push_back(open[i]);
        }
    }
    return result;
}

}  // namespace

Enumerator::Enumerator(const LogIndex& index, const StateOptions& options)
    : index_(index), options_(options)
{
    find_moments();
}

void Enumerator::find_moments()
{
    for (const auto* list : {&index_.flushes(), &index_.fuas()}) {
        for (const std::uint64_t entry : *list) {
            if (entry < options_.from || entry >= options_.to) {
                continue;
            }
            if (entry > options_.from) {
                moments_.push_back(entry);
            }
            if (const std::uint64_t end = end_of_overlap(entry); end > entry + 1) {
                moments_.push_back(end);
            }
        }
    }
    moments_.push_back(options_.to);
    std::ranges::sort(moments_);
    moments_.erase(std::unique(moments_.begin(), moments_.end()), moments_.end());
}

/// The first entry behind flush or FUA write `entry` that was issued when that
/// was done; without the extension, the next one.
std::uint64_t Enumerator::end_of_overlap(std::uint64_t entry) const
{
    std::uint64_t end = entry + 1;
    if (index_[entry].extended != 0) {
        while (end < options_.to && index_[end].extended != 0 &&
               index_[end].issued < index_[entry].completed) {
            end++;
        }
    }
    return end;
}

std::vector<std::uint64_t> Enumerator::in_range(std::vector<std::uint64_t> entries) const
{
    std::erase_if(entries, [&](std::uint64_t entry) { return entry < options_.from; });
    return entries;
}

Enumerator::Moment Enumerator::moment(std::size_t number) const
{
    Moment moment{moments_[number], in_range(volatile_entries(index_, moments_[number]))};
    // A FUA write at the end without the extension: add_fua_tears() has it.
    if (moment.entries > 0 && index_[moment.entries - 1].extended != 0) {
        const auto known = std::move(moment.open);
        moment.open.clear();
        std::ranges::set_union(known, in_range(in_flight_entries(index_, moment.entries)),
                               std::back_inserter(moment.open));
    }
    return moment;
}

std::mt19937_64 Enumerator::generator(std::uint64_t moment) const
{
    // Own numbers for every moment, so that a change elsewhere in the log or of
    // --to leaves them as they are.
    std::seed_seq seed{static_cast<std::uint32_t>(options_.seed),
                       static_cast<std::uint32_t>(options_.seed >> 32),
                       static_cast<std::uint32_t>(moment),
                       static_cast<std::uint32_t>(phase_)};
    return std::mt19937_64(seed);
}

std::optional<State> Enumerator::next()
{
    while (taken_ == ready_.size() && phase_ != Phase::end) {
        ready_.clear();
        taken_ = 0;
        fill();
    }
    if (taken_ == ready_.size()) {
        return std::nullopt;
    }
    return std::move(ready_[taken_++]);
}

/// The next portion, perhaps empty, and on to the one after it.
void Enumerator::fill()
{
    const auto go_on = [&](Phase phase) {
        phase_ = phase;
        moment_ = 0;
    };
    switch (phase_) {
    case Phase::points:
        add_points();
        return go_on(Phase::prefixes);
    case Phase::prefixes:
        if (options_.prefix) {
            add_prefixes();
        }
        return go_on(Phase::subsets);
    case Phase::subsets:
    case Phase::tears: {
        const bool subsets = phase_ == Phase::subsets;
        if (moment_ == moments_.size() || !(subsets ? options_.subset : options_.torn)) {
            return go_on(subsets ? Phase::tears : Phase::end);
        }
        const Moment now = moment(moment_);
        std::mt19937_64 random = generator(now.entries);
        if (!subsets) {
            add_tears(now, random);
        } else if (add_subsets(now, random)) {
            return;
        }
        alone_ = 0;
        moment_++;
        return;
    }
    case Phase::end: return;
    }
}

void Enumerator::add_points()
{
    std::vector<std::uint64_t> points;
    const auto take = [&](const std::vector<std::uint64_t>& entries) {
        for (const std::uint64_t entry : entries) {
            if (entry >= options_.from && entry < options_.to) {
                points.push_back(entry + 1);
            }
        }
    };
    if (options_.flush) {
        take(index_.flushes());
    }
    if (options_.fua) {
        take(index_.fuas());
    }
    std::ranges::sort(points);
    points.erase(std::unique(points.begin(), points.end()), points.end());
    for (const std::uint64_t entries : points) {
        add({entries, {}, {}});
    }
}

void Enumerator::add_prefixes()
{
    add({options_.from, {}, {}});
    for (std::uint64_t entry = options_.from; entry < options_.to; entry++) {
        if (index_[entry].changes()) {
            add({entry + 1, {}, {}});
        }
    }
}

bool Enumerator::add_subsets(const Moment& moment, std::mt19937_64& random)
{
    const auto& open = moment.open;
    if (open.size() <= options_.exhaustive) {
        add_all_subsets(moment);
        return false;
    }
    if (alone_ == 0) {
        add({moment.entries, {}, {}});
        add({moment.entries, open, {}});
        for (const std::uint64_t entry : open) {
            add({entry + 1, {}, {}});
        }
        for (const std::uint64_t entry : open) {
            add({moment.entries, {entry}, {}});
        }
        add_random_subsets(moment, random);
    }
    // All but one missing: of n writes n * n numbers, so not all at once.
    const std::size_t end = std::min(alone_ + portion, open.size());
    for (; alone_ < end; alone_++) {
        std::vector<std::uint64_t> others = open;
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(alone_));
        add({moment.entries, std::move(others), {}});
    }
    return alone_ < open.size();
}

void Enumerator::add_all_subsets(const Moment& moment)
{
    for (std::uint64_t mask = 0; mask < std::uint64_t{1} << moment.open.size(); mask++) {
        add({moment.entries, chosen(moment.open, mask), {}});
    }
}

void Enumerator::add_random_subsets(const Moment& moment, std::mt19937_64& random)
{
    for (unsigned i = 0; i < options_.random; i++) {
        if (i % 2 == 0) {
            add({moment.entries, drawn(moment.open, moment.open.size(), random), {}});
        } else {
            // A crash earlier on.  Long epochs have room for it, and with all
            // of their writes at stake what came first is rarely whole.
            const std::size_t last = below(random, moment.open.size());
            add({moment.open[last] + 1, drawn(moment.open, last + 1, random), {}});
        }
    }
}

void Enumerator::add_tears(const Moment& moment, std::mt19937_64& random)
{
    bool can_be_torn = false;
    for (const std::uint64_t entry : moment.open) {
        const TearUnits units(index_[entry], options_.sector_size, options_.tear);
        can_be_torn = can_be_torn || units.count() > 1;
        for (const auto& way : units.usual(options_.exhaustive / 2)) {
            const Tear tear{entry, units.sectors(way)};
            // Everything else is there, or nothing that came after.
            add({moment.entries, {}, {tear}});
            if (entry != moment.open.back()) {
                add({entry + 1, {}, {tear}});
            }
        }
    }
    if (can_be_torn) {
        add_random_tears(moment, random);
    }
    add_fua_tears(moment, random);
}

/// The moment is just before a FUA write is done: parts of that may be there.
void Enumerator::add_fua_tears(const Moment& moment, std::mt19937_64& random)
{
    const std::uint64_t entry = moment.entries;
    if (entry >= options_.to || !index_[entry].is_fua() || !index_[entry].changes()) {
        return;
    }
    const TearUnits units(index_[entry], options_.sector_size, options_.tear);
    const auto open = in_range(volatile_entries(index_, entry + 1));
    for (const auto& way : units.usual(options_.exhaustive / 2)) {
        const Tear tear{entry, units.sectors(way)};
        add({entry + 1, {}, {tear}});
        if (!open.empty()) {
            add({entry + 1, open, {tear}});
        }
    }
    if (units.count() > 1 && !open.empty()) {
        for (unsigned i = 0; i < std::min(options_.random, most_fua_tears); i++) {
            const Tear tear{entry, units.sectors(units.random(random))};
            add({entry + 1, drawn(open, open.size(), random), {tear}});
        }
    }
}

void Enumerator::add_random_tears(const Moment& moment, std::mt19937_64& random)
{
    const auto draws = std::min<std::uint64_t>(options_.random, 4 * moment.open.size());
    for (std::uint64_t i = 0; i < draws; i++) {
        State state{moment.entries, {}, {}};
        for (const std::uint64_t entry : moment.open) {
            const TearUnits units(index_[entry], options_.sector_size, options_.tear);
            const std::uint64_t fate = below(random, 4);
            if (fate == 0) {
                state.dropped.push_back(entry);
            } else if (fate == 1 && units.count() > 1) {
                state.torn.push_back({entry, units.sectors(units.random(random))});
            }
        }
        if (!state.torn.empty()) {
            add(std::move(state));
        }
    }
}

std::uint64_t count_states(const LogIndex& index, const StateOptions& options)
{
    Enumerator enumerator(index, options);
    std::uint64_t count = 0;
    while (enumerator.next()) {
        count++;
    }
    return count;
}

}  // namespace resilience::nbdcrash
