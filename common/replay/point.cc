// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/point.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace resilience::writelog {
namespace {

constexpr std::string_view forms =
    "a point is N, mark:NAME, mark:NAME#2, flush:K, fua:K, eK or end; a state is a point with "
    ":drop=, :keep= or :torn=";
constexpr std::size_t marks_to_name = 8;

std::optional<std::uint64_t> number(std::string_view text)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::vector<std::string_view> split(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + 1);
    }
}

// ---- marks ------------------------------------------------------------------

/// The entry of the `which`-th mark of that name, from 1.
std::optional<std::uint64_t> find_mark(const LogIndex& index, std::string_view name,
                                       std::uint64_t which)
{
    for (const Mark& mark : index.marks()) {
        if (mark.name == name && --which == 0) {
            return mark.entry;
        }
    }
    return std::nullopt;
}

std::uint64_t count_marks(const LogIndex& index, std::string_view name)
{
    return static_cast<std::uint64_t>(
        std::ranges::count(index.marks(), name, &Mark::name));
}

std::string list_of_marks(const LogIndex& index)
{
    std::vector<std::string> names;
    for (const Mark& mark : index.marks()) {
        if (std::ranges::find(names, mark.name) == names.end()) {
            names.push_back(mark.name);
        }
        if (names.size() > marks_to_name) {
            names.back() = "...";
            break;
        }
    }
    return names.empty() ? "this log has no marks"
                         : fmt::format("this log has: {}", fmt::join(names, ", "));
}

std::uint64_t resolve_mark(const LogIndex& index, std::string_view point, std::string_view text)
{
    if (const auto entry = find_mark(index, text, 1)) {
        return *entry;
    }
    const auto hash = text.rfind('#');
    if (hash != std::string_view::npos) {
        const auto which = number(text.substr(hash + 1));
        const std::string_view name = text.substr(0, hash);
        const std::uint64_t count = count_marks(index, name);
        if (which && count != 0) {
            if (*which == 0 || *which > count) {
                throw LogError(fmt::format("{}: mark '{}' is there {} times, so '#' is followed "
                                           "by 1 to {}",
                                           point, name, count, count));
            }
            return *find_mark(index, name, *which);
        }
    }
    throw LogError(fmt::format("{}: there is no mark '{}'; {}", point, text,
                               list_of_marks(index)));
}

// ---- points -----------------------------------------------------------------

/// The `text`-th of `entries`, from 1.
std::uint64_t resolve_ordinal(std::string_view point, std::string_view what, std::string_view text,
                              const std::vector<std::uint64_t>& entries)
{
    const auto ordinal = number(text);
    if (!ordinal || *ordinal == 0 || *ordinal > entries.size()) {
        throw LogError(entries.empty()
                           ? fmt::format("{}: this log has no {} entries", point, what)
                           : fmt::format("{}: {} is followed by 1 to {}: this log has {} of them",
                                         point, what, entries.size(), entries.size()));
    }
    return entries[*ordinal - 1] + 1;
}

std::uint64_t resolve_epoch(const LogIndex& index, std::string_view point, std::string_view text)
{
    const auto epoch = number(text);
    if (!epoch || *epoch >= index.epochs()) {
        throw LogError(fmt::format("{}: this log has the epochs e0 to e{}", point,
                                   index.epochs() - 1));
    }
    return *epoch < index.flushes().size() ? index.flushes()[*epoch] : index.size();
}

bool is_epoch(std::string_view text)
{
    return text.size() > 1 && text[0] == 'e' && number(text.substr(1)).has_value();
}

// ---- clauses ----------------------------------------------------------------

struct Clause {
    std::string_view key;
    std::string_view value;
};

constexpr std::array<std::string_view, 3> clause_keys = {"drop", "keep", "torn"};

/// Where the next clause begins (its ':'), or npos.
std::size_t find_clause(std::string_view text, std::size_t from)
{
    for (auto at = text.find(':', from); at != std::string_view::npos; at = text.find(':', at + 1)) {
        for (const auto key : clause_keys) {
            const std::string_view rest = text.substr(at + 1);
            if (rest.starts_with(key) && rest.substr(key.size()).starts_with("=")) {
                return at;
            }
        }
    }
    return std::string_view::npos;
}

std::vector<Clause> split_clauses(std::string_view text)
{
    std::vector<Clause> clauses;
    while (!text.empty()) {
        const auto end = find_clause(text, 1);
        const std::string_view clause = text.substr(1, end == std::string_view::npos ? end : end - 1);
        const auto equals = clause.find('=');
        clauses.push_back({clause.substr(0, equals), clause.substr(equals + 1)});
        text = end == std::string_view::npos ? std::string_view() : text.substr(end);
    }
    return clauses;
}

std::string why_durable(const LogIndex& index, std::uint64_t entry)
{
    const Record& record = index[entry];
    if (!record.changes()) {
        return record.is_mark() ? "it is a mark" : "it changes nothing";
    }
    if (record.is_fua()) {
        return "it is FUA, so it is on the medium";
    }
    return "a flush after it is done, so it is on the medium";
}

/// Resolves the clauses of one state.
class Clauses {
public:
    Clauses(const LogIndex& index, std::string_view state, std::uint64_t entries)
        : index_(index), state_(state), entries_(entries),
          volatile_(volatile_entries(index, entries))
    {
        std::ranges::set_union(volatile_, in_flight_entries(index, entries),
                               std::back_inserter(may_lack_));
    }

    State resolve(const std::vector<Clause>& clauses)
    {
        for (const auto& [key, value] : clauses) {
            if (key == "torn") {
                add_torn(value);
            } else {
                add_list(key, value, key == "drop" ? drop_ : keep_);
            }
        }
        if (drop_ && keep_) {
            fail("give drop= or keep=, not both");
        }
        return result();
    }

private:
    [[noreturn]] void fail(const std::string& text) const
    {
        throw LogError(fmt::format("{}: {}", state_, text));
    }

    std::uint64_t entry(std::string_view text) const
    {
        const auto value = number(text);
        if (!value) {
            fail(fmt::format("'{}' is no number of an entry", text));
        }
        if (*value >= entries_) {
            fail(fmt::format("entry {} is not done in this state, which has the first {} entries",
                             *value, entries_));
        }
        if (!std::ranges::binary_search(may_lack_, *value)) {
            fail(fmt::format("entry {} cannot be missing: {}; {}", *value,
                             why_durable(index_, *value), candidates()));
        }
        return *value;
    }

    std::string candidates() const
    {
        if (may_lack_.empty()) {
            return "in this state no entry can be missing";
        }
        return may_lack_.size() <= 16
                   ? fmt::format("the entries that can are {}", fmt::join(may_lack_, ","))
                   : fmt::format("{} entries from {} to {} can", may_lack_.size(),
                                 may_lack_.front(), may_lack_.back());
    }

    void add_list(std::string_view key, std::string_view value,
                  std::optional<std::set<std::uint64_t>>& list)
    {
        if (!list) {
            list.emplace();
        }
        if (value.empty() && key == "keep") {
            return;  // nothing reached the medium
        }
        for (const auto item : split(value, ',')) {
            list->insert(entry(item));
        }
    }

    void add_torn(std::string_view value)
    {
        for (const auto item : split(value, ',')) {
            const auto colon = item.find(':');
            if (colon == std::string_view::npos) {
                fail(fmt::format("torn={}: expects ENTRY:SECTORS, such as 144:0 or 144:0+2-5",
                                 item));
            }
            Tear tear;
            tear.entry = entry(item.substr(0, colon));
            for (const auto range : split(item.substr(colon + 1), '+')) {
                add_sectors(tear, range);
            }
            std::ranges::sort(tear.sectors);
            tear.sectors.erase(std::unique(tear.sectors.begin(), tear.sectors.end()),
                               tear.sectors.end());
            torn_.push_back(std::move(tear));
        }
    }

    void add_sectors(Tear& tear, std::string_view range) const
    {
        const std::uint64_t count = index_[tear.entry].sectors;
        const auto dash = range.find('-');
        const auto first = number(range.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number(range.substr(dash + 1));
        if (!first || !last || *first > *last || *last >= count) {
            fail(fmt::format("'{}' are no sectors of entry {}, which has 0 to {}", range,
                             tear.entry, count - 1));
        }
        for (std::uint64_t sector = *first; sector <= *last; sector++) {
            tear.sectors.push_back(sector);
        }
    }

    State result()
    {
        State state;
        state.entries = entries_;
        std::ranges::sort(torn_, {}, &Tear::entry);
        const auto twice = std::ranges::adjacent_find(torn_, {}, &Tear::entry);
        if (twice != torn_.end()) {
            fail(fmt::format("entry {} is torn twice; join its sectors with '+'", twice->entry));
        }
        const auto is_torn = [&](std::uint64_t entry) {
            return std::ranges::binary_search(torn_, entry, {}, &Tear::entry);
        };
        for (const std::uint64_t entry : may_lack_) {
            if (is_torn(entry)) {
                if (drop_ && drop_->contains(entry)) {
                    fail(fmt::format("entry {} is both dropped and torn", entry));
                }
            } else if (drop_ ? drop_->contains(entry)
                             : keep_ && !keep_->contains(entry) &&
                                   std::ranges::binary_search(volatile_, entry)) {
                state.dropped.push_back(entry);
            }
        }
        state.torn = std::move(torn_);
        return state;
    }

    const LogIndex& index_;
    const std::string_view state_;
    const std::uint64_t entries_;
    const std::vector<std::uint64_t> volatile_;
    std::vector<std::uint64_t> may_lack_;  ///< with those in flight; ascending
    std::optional<std::set<std::uint64_t>> drop_;
    std::optional<std::set<std::uint64_t>> keep_;
    std::vector<Tear> torn_;
};

// ---- text -------------------------------------------------------------------

/// The epoch whose writes are all done and whose flush is not, at `entries`.
std::optional<std::uint64_t> epoch_at(const LogIndex& index, std::uint64_t entries)
{
    const auto flush = std::ranges::lower_bound(index.flushes(), entries);
    if (entries == index.size() || (flush != index.flushes().end() && *flush == entries)) {
        return static_cast<std::uint64_t>(flush - index.flushes().begin());
    }
    return std::nullopt;
}

std::string name_point(const LogIndex& index, std::uint64_t entries, bool clauses)
{
    if (!clauses && entries == index.size()) {
        return "end";
    }
    if (const auto epoch = epoch_at(index, entries); clauses && epoch) {
        return fmt::format("e{}", *epoch);
    }
    const auto& flushes = index.flushes();
    const auto flush = std::ranges::lower_bound(flushes, entries);
    if (!clauses && flush != flushes.begin() && *std::prev(flush) + 1 == entries) {
        return fmt::format("flush:{}", flush - flushes.begin());
    }
    return fmt::format("{}", entries);
}

std::string sectors_text(const std::vector<std::uint64_t>& sectors)
{
    std::string text;
    for (std::size_t i = 0; i < sectors.size();) {
        std::size_t last = i;
        while (last + 1 < sectors.size() && sectors[last + 1] == sectors[last] + 1) {
            last++;
        }
        text += fmt::format("{}{}", text.empty() ? "" : "+", sectors[i]);
        if (last != i) {
            text += fmt::format("-{}", sectors[last]);
        }
        i = last + 1;
    }
    return text;
}

}  // namespace

std::uint64_t resolve_point(const LogIndex& index, std::string_view point)
{
    if (point == "end") {
        return index.size();
    }
    const auto colon = point.find(':');
    const std::string_view rest =
        colon == std::string_view::npos ? std::string_view() : point.substr(colon + 1);
    if (point.starts_with("mark:")) {
        return resolve_mark(index, point, rest);
    }
    if (point.starts_with("flush:")) {
        return resolve_ordinal(point, "flush", rest, index.flushes());
    }
    if (point.starts_with("fua:")) {
        return resolve_ordinal(point, "FUA", rest, index.fuas());
    }
    if (is_epoch(point)) {
        return resolve_epoch(index, point, point.substr(1));
    }
    if (const auto entries = number(point)) {
        if (*entries > index.size()) {
            throw LogError(fmt::format("{}: this log has {} entries", point, index.size()));
        }
        return *entries;
    }
    throw LogError(fmt::format("'{}' names no point of the log: {}", point, forms));
}

State resolve_state(const LogIndex& index, std::string_view state)
{
    // A mark may be called like a clause.
    if (state.starts_with("mark:") && find_mark(index, state.substr(5), 1)) {
        return {resolve_point(index, state), {}, {}};
    }
    const auto clause = find_clause(state, 0);
    const std::uint64_t entries = resolve_point(index, state.substr(0, clause));
    if (clause == std::string_view::npos) {
        return {entries, {}, {}};
    }
    return Clauses(index, state, entries).resolve(split_clauses(state.substr(clause)));
}

std::string to_string(const LogIndex& index, const State& state)
{
    const bool clauses = !state.dropped.empty() || !state.torn.empty();
    std::string text = name_point(index, state.entries, clauses);
    if (!state.dropped.empty()) {
        const auto open = volatile_entries(index, state.entries);
        std::vector<std::uint64_t> kept;
        std::ranges::set_difference(open, state.dropped, std::back_inserter(kept));
        std::erase_if(kept, [&](std::uint64_t entry) {
            return std::ranges::binary_search(state.torn, entry, {}, &Tear::entry);
        });
        const bool can_keep = std::ranges::includes(open, state.dropped);
        text += can_keep && kept.size() < state.dropped.size()
                    ? fmt::format(":keep={}", fmt::join(kept, ","))
                    : fmt::format(":drop={}", fmt::join(state.dropped, ","));
    }
    for (std::size_t i = 0; i < state.torn.size(); i++) {
        text += fmt::format("{}{}:{}", i == 0 ? ":torn=" : ",", state.torn[i].entry,
                            sectors_text(state.torn[i].sectors));
    }
    return text;
}

std::uint64_t first_missing(const State& state)
{
    std::uint64_t first = state.entries;
    if (!state.dropped.empty()) {
        first = std::min(first, state.dropped.front());
    }
    if (!state.torn.empty()) {
        first = std::min(first, state.torn.front().entry);
    }
    return first;
}

}  // namespace resilience::writelog
