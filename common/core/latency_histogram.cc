// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace resilience {

// A value below 2^sub_bits has a bucket of its own.  Any other is named by its
// highest bit and the sub_bits bits that follow it.
std::size_t LatencyHistogram::bucket_of(std::uint64_t nanoseconds)
{
    if (nanoseconds < (1ULL << sub_bits)) {
        return nanoseconds;
    }
    const unsigned shift = static_cast<unsigned>(std::bit_width(nanoseconds)) - 1 - sub_bits;
    const std::uint64_t sub = (nanoseconds >> shift) & ((1ULL << sub_bits) - 1);
    return ((shift + 1ULL) << sub_bits) + sub;
}

std::uint64_t LatencyHistogram::largest_in(std::size_t bucket)
{
    const std::uint64_t sub = bucket & ((1ULL << sub_bits) - 1);
    if (bucket < (1ULL << sub_bits)) {
        return sub;
    }
    const std::uint64_t shift = (bucket >> sub_bits) - 1;
    const std::uint64_t smallest = ((1ULL << sub_bits) + sub) << shift;
    return smallest + ((1ULL << shift) - 1);
}

void LatencyHistogram::add(std::chrono::nanoseconds duration)
{
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count()));
    counts_[bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t LatencyHistogram::count() const
{
    std::uint64_t sum = 0;
    for (const auto& count : counts_) {
        sum += count.load(std::memory_order_relaxed);
    }
    return sum;
}

std::optional<std::chrono::nanoseconds> LatencyHistogram::quantile(double share) const
{
    const std::uint64_t all = count();
    if (all == 0) {
        return std::nullopt;
    }
    const double clamped = std::clamp(share, 0.0, 1.0);
    const auto wanted = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(clamped * static_cast<double>(all))));
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    for (std::size_t i = 0; i < buckets && seen < wanted; i++) {
        if (const std::uint64_t here = counts_[i].load(std::memory_order_relaxed)) {
            seen += here;
            bucket = i;
        }
    }
    return std::chrono::nanoseconds(static_cast<std::int64_t>(
        std::min<std::uint64_t>(largest_in(bucket), INT64_MAX)));
}

}  // namespace resilience
