// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/shrink.h"

#include <algorithm>
#include <iterator>

namespace resilience::nbdcrash {

namespace {

using Numbers = std::vector<std::uint64_t>;

// So many are tried alone, when halving has ended with more than one.
constexpr std::size_t most_alone = 512;

Numbers part(const Numbers& all, std::size_t begin, std::size_t end)
{
    const auto at = [&](std::size_t i) {
        return all.begin() + static_cast<std::ptrdiff_t>(std::min(i, all.size()));
    };
    return {at(begin), at(end)};
}

Numbers without(const Numbers& all, std::size_t begin, std::size_t end)
{
    Numbers rest = part(all, 0, begin);
    std::ranges::copy(part(all, end, all.size()), std::back_inserter(rest));
    return rest;
}

}  // namespace

Numbers shrink(Numbers all, const std::function<bool(const Numbers&)>& fails)
{
    const Numbers original = all;
    if (all.empty() || fails({})) {
        return {};
    }
    for (std::size_t parts = 2; all.size() > 1;) {
        const std::size_t step = (all.size() + parts - 1) / parts;
        bool smaller = false;
        for (std::size_t at = 0; at < all.size() && !smaller; at += step) {
            if (Numbers alone = part(all, at, at + step); fails(alone)) {
                all = std::move(alone);
                parts = 2;
                smaller = true;
            } else if (Numbers rest = without(all, at, at + step);
                       parts > 2 && fails(rest)) {
                all = std::move(rest);
                parts = std::max<std::size_t>(parts - 1, 2);
                smaller = true;
            }
        }
        if (!smaller) {
            if (step == 1) {
                break;
            }
            parts = std::min(2 * parts, all.size());
        }
    }
    if (all.size() > 1 && original.size() <= most_alone) {
        for (const std::uint64_t one : original) {
            if (fails({one})) {
                return {one};
            }
        }
    }
    return all;
}

}  // namespace resilience::nbdcrash
