// SPDX-License-Identifier: BSD-3-Clause
#include "tests/clients/history.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace resilience::test {

namespace {

using Access = SectorHistory::Access;

/// A write and the reads that returned it.
struct Cluster {
    Value value = 0;
    const Access* write = nullptr;
    Moment first_end = never;
    Moment last_start = 0;

    bool forward() const { return first_end < last_start; }
    void add(const Access& access)
    {
        first_end = std::min(first_end, access.end);
        last_start = std::max(last_start, access.start);
    }
    std::string text() const
    {
        return value == 0 ? "zeroes" : fmt::format("write {}", value);
    }
};

/// Forward zones, by their begin; they do not overlap.
using Zones = std::vector<Cluster>;

const Cluster* enclosing(const Zones& zones, Moment begin, Moment end)
{
    const auto after = std::upper_bound(
        zones.begin(), zones.end(), begin,
        [](Moment moment, const Cluster& zone) { return moment < zone.first_end; });
    if (after == zones.begin()) {
        return nullptr;
    }
    const Cluster& zone = *std::prev(after);
    return end < zone.last_start ? &zone : nullptr;
}

const Cluster* overlapping(const Zones& zones, Moment begin, Moment end)
{
    for (const Cluster& zone : zones) {
        if (zone.first_end < end && begin < zone.last_start) {
            return &zone;
        }
    }
    return nullptr;
}

/// The first of `others` that lies within [begin, end].
const Cluster* within(const std::vector<Cluster>& others, Moment begin, Moment end)
{
    for (const Cluster& other : others) {
        if (begin < other.last_start && other.first_end < end) {
            return &other;
        }
    }
    return nullptr;
}

/// Whether a read of zeroes can have followed this write of zeroes.
bool explains(const Access& write, const Access& read, const Zones& forward,
              const std::vector<Cluster>& backward)
{
    if (read.end < write.start) {
        return false;
    }
    Cluster both{0, &write, never, 0};
    both.add(write);
    both.add(read);
    if (!both.forward()) {
        return !enclosing(forward, both.last_start, both.first_end);
    }
    return !overlapping(forward, both.first_end, both.last_start) &&
           !within(backward, both.first_end, both.last_start);
}

struct Sorted {
    Zones forward;
    std::vector<Cluster> backward;
};

std::optional<std::string> check_order(const Sorted& sorted)
{
    const Zones& forward = sorted.forward;
    for (std::size_t i = 1; i < forward.size(); i++) {
        if (forward[i].first_end < forward[i - 1].last_start) {
            return fmt::format("{} and {} take turns: one of them was seen after it had been "
                               "overwritten by the other",
                               forward[i - 1].text(), forward[i].text());
        }
    }
    for (const Cluster& cluster : sorted.backward) {
        if (const Cluster* zone = enclosing(forward, cluster.last_start, cluster.first_end)) {
            return fmt::format("{} was seen after {} had been acknowledged, which came later",
                               zone->text(), cluster.text());
        }
    }
    return std::nullopt;
}

std::optional<std::string> check_zero_reads(const std::vector<Access>& zeroes,
                                            const std::vector<Access>& reads, const Sorted& sorted)
{
    for (const Access& read : reads) {
        const bool explained =
            std::any_of(zeroes.rbegin(), zeroes.rend(), [&](const Access& write) {
                return explains(write, read, sorted.forward, sorted.backward);
            });
        if (!explained) {
            return fmt::format("zeroes were read at {}..{}, but nothing explains them", read.start,
                               read.end);
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> SectorHistory::violation() const
{
    static constexpr Access at_first{0, 0, 0, false};
    std::vector<Access> zeroes{at_first};
    std::vector<Access> zero_reads;
    std::map<Value, Cluster> clusters;
    for (const Access& access : accesses_) {
        if (access.value == 0) {
            (access.is_read ? zero_reads : zeroes).push_back(access);
            continue;
        }
        Cluster& cluster = clusters[access.value];
        cluster.value = access.value;
        cluster.add(access);
        if (!access.is_read) {
            cluster.write = &access;
        }
    }
    for (const Access& access : accesses_) {
        if (access.is_read && access.value != 0) {
            const Access* const write = clusters[access.value].write;
            if (!write || access.end < write->start) {
                return fmt::format("write {} was read at {}..{}, before it had been sent",
                                   access.value, access.start, access.end);
            }
        }
    }
    Sorted sorted;
    for (const auto& [value, cluster] : clusters) {
        (cluster.forward() ? sorted.forward : sorted.backward).push_back(cluster);
    }
    // A write of zeroes that failed explains reads of zeroes, and forbids nothing.
    for (const Access& write : zeroes) {
        if (write.end != never) {
            sorted.backward.push_back({0, &write, write.end, write.start});
        }
    }
    std::sort(sorted.forward.begin(), sorted.forward.end(),
              [](const Cluster& a, const Cluster& b) { return a.first_end < b.first_end; });
    if (const auto wrong = check_order(sorted)) {
        return wrong;
    }
    return check_zero_reads(zeroes, zero_reads, sorted);
}

}  // namespace resilience::test
