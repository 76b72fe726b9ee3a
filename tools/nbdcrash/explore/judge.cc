// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/judge.h"

#include <utility>

namespace resilience::nbdcrash {

Judge::Judge(const Subject& subject, const CheckOptions& options, const Stop& stop,
             std::uint64_t states_from)
    : subject_(subject), options_(options), bench_(0, 1, subject.size(), options, stop),
      contents_(subject.timeline(), subject.base(), states_from, subject.index().size())
{
}

const Verdict& Judge::check(const writelog::State& state)
{
    const StateContent content = contents_.of(state);
    const StateToCheck what = subject_.to_check(state, options_.promise, content.map);
    ContentValue key = content.device;
    key += value_of_mark(what.mark);
    const auto known = known_.find(key);
    if (known != known_.end()) {
        return known->second;
    }
    checks_++;
    Checked checked = bench_.check(what);
    if (checked.verdict.kind == Verdict::Kind::interrupted) {
        throw Interrupted();
    }
    return known_[key] = std::move(checked.verdict);
}

}  // namespace resilience::nbdcrash
