// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/minimal_state.h"

#include <algorithm>
#include <iterator>

#include "tools/nbdcrash/explore/shrink.h"
#include "tools/nbdcrash/explore/tears.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

using Numbers = std::vector<std::uint64_t>;

/// `state` in which nothing but `wrong` (entries) is missing or torn.
State only(const State& state, const Numbers& wrong)
{
    const auto is_wrong = [&](std::uint64_t entry) {
        return std::ranges::binary_search(wrong, entry);
    };
    State result{state.entries, {}, {}};
    std::ranges::copy_if(state.dropped, std::back_inserter(result.dropped), is_wrong);
    std::ranges::copy_if(state.torn, std::back_inserter(result.torn),
                         [&](const Tear& tear) { return is_wrong(tear.entry); });
    return result;
}

}  // namespace

State minimal_state(Judge& judge, const Subject& subject, State state)
{
    Numbers wrong = state.dropped;
    for (const Tear& tear : state.torn) {
        wrong.push_back(tear.entry);
    }
    std::ranges::sort(wrong);
    wrong = shrink(wrong, [&](const Numbers& some) { return judge.is_bad(only(state, some)); });
    state = only(state, wrong);
    for (Tear& tear : state.torn) {
        const std::uint64_t count = subject.index()[tear.entry].sectors;
        const Numbers missing = others(tear.sectors, count);
        if (missing.size() <= 1) {
            continue;
        }
        const Numbers fewer = shrink(missing, [&](const Numbers& some) {
            State candidate = state;
            std::ranges::find(candidate.torn, tear.entry, &Tear::entry)->sectors =
                others(some, count);
            return judge.is_bad(candidate);
        });
        tear.sectors = others(fewer, count);
    }
    return state;
}

}  // namespace resilience::nbdcrash
