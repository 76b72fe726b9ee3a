// SPDX-License-Identifier: BSD-3-Clause
//
// The rule of the range lock in small worlds, gone through completely: every
// kind of request on three blocks, up to five of them at a time.
#include "common/core/range_lock_table.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/seed.h"

using resilience::LockMode;
using resilience::RangeLockTable;

namespace {

constexpr auto shared = LockMode::shared;
constexpr auto exclusive = LockMode::exclusive;

/// A request on blocks of the small world.
struct Kind {
    std::uint64_t begin;
    std::uint64_t end;
    LockMode mode;

    unsigned blocks() const { return (1U << end) - (1U << begin); }  // one bit per block
};

const std::vector<Kind>& kinds()
{
    static const std::vector<Kind> all = [] {
        std::vector<Kind> list;
        for (const LockMode mode : {shared, exclusive}) {
            for (std::uint64_t begin = 0; begin < 3; begin++) {
                for (std::uint64_t end = begin + 1; end <= 3; end++) {
                    list.push_back({begin, end, mode});
                }
            }
        }
        return list;
    }();
    return all;
}

bool exclude_each_other(const Kind& a, const Kind& b)
{
    return (a.blocks() & b.blocks()) != 0 && (a.mode == exclusive || b.mode == exclusive);
}

/// The table beside a model of it that is computed anew after every step: a
/// request is granted when, and only when, none of the earlier ones that are
/// still there excludes it.  That implies all that is promised (no two granted
/// ones exclude each other, arrival decides, nobody starves); the first of it
/// is checked all the same.
class World {
public:
    bool add(const Kind& kind)
    {
        present_.push_back({kind, table_.add(kind.begin, kind.end, kind.mode), false});
        return step() == (present_.back().granted ? 1U : 0U) && consistent();
    }

    /// Removes the request that is n-th by arrival among those present.
    bool remove(std::size_t n)
    {
        const std::size_t reported = table_.remove(present_[n].handle);
        present_.erase(present_.begin() + static_cast<std::ptrdiff_t>(n));
        return step() == reported && consistent();
    }

    std::size_t size() const { return present_.size(); }

private:
    struct Present {
        Kind kind;
        RangeLockTable::Handle handle;
        bool granted;
    };

    /// Brings the model up to date; returns how many were granted by that.
    std::size_t step()
    {
        std::size_t newly = 0;
        for (std::size_t i = 0; i < present_.size(); i++) {
            const auto excluded = [&](const Present& earlier) {
                return exclude_each_other(earlier.kind, present_[i].kind);
            };
            const auto end = present_.begin() + static_cast<std::ptrdiff_t>(i);
            if (!present_[i].granted && std::none_of(present_.begin(), end, excluded)) {
                present_[i].granted = true;
                newly++;
            }
        }
        return newly;
    }

    bool consistent() const
    {
        if (table_.size() != present_.size()) {
            return false;
        }
        for (std::size_t i = 0; i < present_.size(); i++) {
            if (present_[i].handle->granted != present_[i].granted) {
                return false;
            }
            for (std::size_t j = 0; j < i; j++) {
                if (present_[i].handle->granted && present_[j].handle->granted &&
                    exclude_each_other(present_[i].kind, present_[j].kind)) {
                    return false;
                }
            }
        }
        return true;
    }

    RangeLockTable table_;
    std::vector<Present> present_;
};

using Sequence = std::vector<std::size_t>;  // indices into kinds()

/// Calls action for every sequence of `length` kinds.
void for_each_sequence(std::size_t length, const std::function<void(const Sequence&)>& action)
{
    Sequence sequence(length, 0);
    while (true) {
        action(sequence);
        std::size_t at = 0;
        while (at < length && ++sequence[at] == kinds().size()) {
            sequence[at++] = 0;
        }
        if (at == length) {
            return;
        }
    }
}

/// A step of a history: remove the n-th of those present, or (nullopt) add the
/// next of the sequence.
using Step = std::optional<std::size_t>;
using History = std::vector<Step>;

/// All complete histories of `requests` requests: each is added in turn and
/// removed at any time after that.
void collect_histories(std::size_t to_add, std::size_t present, History& so_far,
                       std::vector<History>& all)
{
    if (to_add == 0 && present == 0) {
        all.push_back(so_far);
        return;
    }
    if (to_add > 0) {
        so_far.push_back(std::nullopt);
        collect_histories(to_add - 1, present + 1, so_far, all);
        so_far.pop_back();
    }
    for (std::size_t n = 0; n < present; n++) {
        so_far.push_back(n);
        collect_histories(to_add, present - 1, so_far, all);
        so_far.pop_back();
    }
}

std::vector<History> histories(std::size_t requests)
{
    History so_far;
    std::vector<History> all;
    collect_histories(requests, 0, so_far, all);
    return all;
}

std::string describe(const Sequence& sequence, const History& history)
{
    std::string text;
    std::size_t next = 0;
    for (const Step& step : history) {
        if (step) {
            text += " remove(" + std::to_string(*step) + ")";
        } else {
            const Kind& kind = kinds()[sequence[next++]];
            text += " add(" + std::to_string(kind.begin) + "," + std::to_string(kind.end) +
                    (kind.mode == shared ? ",shared)" : ",exclusive)");
        }
    }
    return text;
}

void run(const Sequence& sequence, const History& history)
{
    World world;
    std::size_t next = 0;
    for (const Step& step : history) {
        if (!(step ? world.remove(*step) : world.add(kinds()[sequence[next++]]))) {
            FAIL("wrong in:" << describe(sequence, history));
        }
    }
}

}  // namespace

TEST_CASE("range lock: readers run together", "[range-lock]")
{
    RangeLockTable table;
    const auto a = table.add(0, 10, shared);
    const auto b = table.add(5, 15, shared);
    CHECK(a->granted);
    CHECK(b->granted);
    CHECK(table.size() == 2);
    CHECK(table.remove(b) == 0);
    CHECK(table.remove(a) == 0);
    CHECK(table.size() == 0);
}

TEST_CASE("range lock: a writer waits for those before it, and they are not disturbed",
          "[range-lock]")
{
    RangeLockTable table;
    const auto reader = table.add(0, 10, shared);
    const auto writer = table.add(9, 20, exclusive);
    CHECK(reader->granted);
    CHECK_FALSE(writer->granted);
    CHECK(table.remove(reader) == 1);
    CHECK(writer->granted);
}

TEST_CASE("range lock: ranges that only touch do not overlap", "[range-lock]")
{
    RangeLockTable table;
    CHECK(table.add(0, 10, exclusive)->granted);
    CHECK(table.add(10, 20, exclusive)->granted);
    CHECK_FALSE(table.add(9, 10, exclusive)->granted);
    CHECK_FALSE(table.add(10, 11, shared)->granted);
}

TEST_CASE("range lock: readers do not overtake a waiting writer", "[range-lock]")
{
    RangeLockTable table;
    const auto first = table.add(0, 10, shared);
    const auto writer = table.add(0, 10, exclusive);
    const auto second = table.add(0, 10, shared);
    const auto third = table.add(0, 10, shared);
    CHECK_FALSE(second->granted);
    CHECK(table.remove(first) == 1);
    CHECK(writer->granted);
    CHECK_FALSE(second->granted);
    CHECK(table.remove(writer) == 2);  // and then together
    CHECK(second->granted);
    CHECK(third->granted);
}

TEST_CASE("range lock: a waiter that gives up lets those behind it go", "[range-lock]")
{
    RangeLockTable table;
    const auto running = table.add(0, 10, shared);
    const auto writer = table.add(5, 15, exclusive);
    const auto reader = table.add(5, 10, shared);
    const auto elsewhere = table.add(10, 15, shared);
    CHECK_FALSE(reader->granted);
    CHECK_FALSE(elsewhere->granted);
    CHECK(table.remove(writer) == 2);
    CHECK(running->granted);
    CHECK(reader->granted);
    CHECK(elsewhere->granted);
}

TEST_CASE("range lock: one that waits for two is granted after the second", "[range-lock]")
{
    RangeLockTable table;
    const auto left = table.add(0, 5, exclusive);
    const auto right = table.add(5, 10, exclusive);
    const auto both = table.add(4, 6, exclusive);
    CHECK(table.remove(left) == 0);
    CHECK_FALSE(both->granted);
    CHECK(table.remove(right) == 1);
    CHECK(both->granted);
}

TEST_CASE("range lock: an empty range excludes nobody and waits for nobody", "[range-lock]")
{
    RangeLockTable table;
    CHECK(table.add(0, 10, exclusive)->granted);
    for (const std::uint64_t at : {0, 5, 10}) {
        CHECK(table.add(at, at, exclusive)->granted);
    }
    RangeLockTable other;
    CHECK(other.add(5, 5, exclusive)->granted);
    CHECK(other.add(0, 10, exclusive)->granted);
}

TEST_CASE("range lock: ranges at the end of the largest device", "[range-lock]")
{
    RangeLockTable table;
    const std::uint64_t end = ~std::uint64_t{0};
    const auto whole = table.add(0, end, exclusive);
    CHECK_FALSE(table.add(end - 1, end, shared)->granted);
    CHECK(table.remove(whole) == 1);
}

TEST_CASE("range lock: every table of up to five requests on three blocks, every removal",
          "[range-lock]")
{
    // What a table will do follows from its entries alone, and after a removal
    // it holds what a smaller sequence, also gone through here, would have
    // made.  So one removal from each covers all histories with at most five
    // requests at a time, however long.
    std::size_t removals = 0;
    for (std::size_t length = 1; length <= 5; length++) {
        for_each_sequence(length, [&](const Sequence& sequence) {
            for (std::size_t n = 0; n < length; n++) {
                History history(length, std::nullopt);
                history.push_back(n);
                run(sequence, history);
                removals++;
            }
        });
    }
    CHECK(removals == 12 + 2 * 144 + 3 * 1728 + 4 * 20736 + 5 * 248832);
}

TEST_CASE("range lock: every order of adding and removing four requests", "[range-lock]")
{
    const std::vector<History> all = histories(4);
    CHECK(all.size() == 7 * 5 * 3);
    for_each_sequence(4, [&](const Sequence& sequence) {
        for (const History& history : all) {
            run(sequence, history);
        }
    });
}

TEST_CASE("range lock: every order of five requests, for random ones", "[range-lock][random]")
{
    const std::vector<History> all = histories(5);
    CHECK(all.size() == 9 * 7 * 5 * 3);
    resilience::test::Random random;
    for (int round = 0; round < 500; round++) {
        Sequence sequence;
        for (int i = 0; i < 5; i++) {
            sequence.push_back(random.between(0, kinds().size() - 1));
        }
        for (const History& history : all) {
            run(sequence, history);
        }
    }
}

TEST_CASE("range lock: long random histories with many present", "[range-lock][random]")
{
    resilience::test::Random random;
    World world;
    for (int step = 0; step < 20000; step++) {
        const bool add = world.size() == 0 || (world.size() < 40 && random.one_in(2));
        const bool right = add ? world.add(kinds()[random.between(0, kinds().size() - 1)])
                               : world.remove(random.between(0, world.size() - 1));
        if (!right) {
            FAIL("SEED=" << resilience::test::seed() << " step " << step);
        }
    }
}
