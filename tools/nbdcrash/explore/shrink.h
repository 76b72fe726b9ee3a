// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Delta debugging: of many things that are missing, the few that matter.

#include <cstdint>
#include <functional>
#include <vector>

namespace resilience::nbdcrash {

/// The smallest part of `all` that was found for which `fails` is true, in the
/// order of `all`; `fails(all)` is true already.  No single element can be left
/// out of the result; if one alone fails, and there are at most a few hundred,
/// it is one.
///
/// It is the ddmin of Zeller and Hildebrandt: halves, then quarters and so on,
/// alone and left out.
std::vector<std::uint64_t>
shrink(std::vector<std::uint64_t> all,
       const std::function<bool(const std::vector<std::uint64_t>&)>& fails);

}  // namespace resilience::nbdcrash
