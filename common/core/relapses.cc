// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/relapses.h"

#include <algorithm>

namespace resilience {

namespace {

constexpr unsigned most_doublings = 5;
constexpr int forgiven_after = 64;  // timeouts

}  // namespace

void Relapses::fell(TimePoint now)
{
    if (now - well_since_ >= forgiven_after * timeout_) {
        times_ = 0;
    }
    times_++;
    fell_at_ = now;
}

Relapses::Duration Relapses::wait() const
{
    return times_ < 2 ? Duration::zero() : timeout_ * (1 << std::min(times_ - 1, most_doublings));
}

}  // namespace resilience
