// SPDX-License-Identifier: BSD-3-Clause

// Times in buckets: what comes out is never below the truth, and above it by an
// eighth at most.

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "common/core/latency_histogram.h"

using namespace resilience;
using namespace std::chrono_literals;

TEST_CASE("buckets follow each other without gap or overlap")
{
    std::uint64_t next = 0;
    for (std::size_t bucket = 0; next != 0 || bucket == 0; bucket++) {
        CHECK(LatencyHistogram::bucket_of(next) == bucket);
        const std::uint64_t last = LatencyHistogram::largest_in(bucket);
        CHECK(LatencyHistogram::bucket_of(last) == bucket);
        CHECK(last >= next);
        CHECK(last - next <= next / 8);
        next = last + 1;  // 0 after the very last
    }
}

TEST_CASE("nothing was counted: there is no quantile")
{
    const LatencyHistogram histogram;
    CHECK(histogram.count() == 0);
    CHECK(histogram.quantile(0.5) == std::nullopt);
}

TEST_CASE("the quantiles of a few known times")
{
    LatencyHistogram histogram;
    for (int i = 0; i < 98; i++) {
        histogram.add(5ns);  // exact: below 8 each has its own bucket
    }
    histogram.add(1s);
    histogram.add(1h);
    CHECK(histogram.count() == 100);
    CHECK(histogram.quantile(0) == 5ns);
    CHECK(histogram.quantile(0.5) == 5ns);
    CHECK(histogram.quantile(0.98) == 5ns);
    CHECK(*histogram.quantile(0.99) >= 1s);
    CHECK(*histogram.quantile(0.99) < 1125ms);
    CHECK(*histogram.quantile(1) >= 1h);
    CHECK(*histogram.quantile(7) == *histogram.quantile(1));
}

TEST_CASE("a clock that goes backwards counts as no time")
{
    LatencyHistogram histogram;
    histogram.add(-5s);
    CHECK(histogram.quantile(1) == 0ns);
}

TEST_CASE("any times: the quantile is at most an eighth above the true one")
{
    std::mt19937_64 random(1);
    LatencyHistogram histogram;
    std::vector<std::int64_t> values;
    for (int i = 0; i < 5000; i++) {
        values.push_back(static_cast<std::int64_t>(random() >> (1 + random() % 60)));
        histogram.add(std::chrono::nanoseconds(values.back()));
    }
    std::sort(values.begin(), values.end());
    for (const int rank : {1, 50, 2500, 4950, 5000}) {
        const std::int64_t truth = values[rank - 1];
        const std::int64_t got = histogram.quantile(rank / 5000.0)->count();
        CHECK(got >= truth);
        CHECK(got - truth <= truth / 8);
    }
}

TEST_CASE("counts of several threads are all there")
{
    LatencyHistogram histogram;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&] {
            for (int i = 0; i < 10000; i++) {
                histogram.add(std::chrono::nanoseconds(i));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(histogram.count() == 40000);
}
