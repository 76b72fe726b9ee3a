// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/slowness.h"

#include <algorithm>

namespace resilience {

void RecentLatency::add(std::chrono::nanoseconds took)
{
    times_[count_.fetch_add(1, std::memory_order_relaxed) % kept].store(
        took.count(), std::memory_order_relaxed);
}

std::optional<std::chrono::nanoseconds> RecentLatency::median() const
{
    const auto count = std::min<std::uint64_t>(kept, count_.load(std::memory_order_relaxed));
    if (count < kept / 2) {
        return std::nullopt;
    }
    std::array<std::int64_t, kept> times{};
    std::copy_n(times_.begin(), count, times.begin());
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(count / 2);
    std::nth_element(times.begin(), middle, times.begin() + static_cast<std::ptrdiff_t>(count));
    return std::chrono::nanoseconds(*middle);
}

bool is_slow(bool was_slow, std::chrono::nanoseconds own,
             std::span<const std::chrono::nanoseconds> peers)
{
    if (peers.empty()) {
        return was_slow;
    }
    const auto floor = was_slow ? slow_floor / 2 : slow_floor;
    const int times = was_slow ? 5 : 10;
    const auto faster = static_cast<std::size_t>(std::count_if(
        peers.begin(), peers.end(), [&](const auto& peer) { return peer * times <= own; }));
    return own >= floor && 2 * faster >= peers.size();
}

}  // namespace resilience
