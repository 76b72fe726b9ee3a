// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/speed.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "filters/quorum/fanout.h"

namespace resilience::quorum {

namespace {

/// Two seconds are enough to notice; four reads a second are no load.
constexpr std::chrono::milliseconds measuring_interval{250};
/// A child that is behind with these is not sent more.
constexpr int most_measuring = 4;

void judge(const Children& children, Op op, Speed Child::* speed, Observer& observer)
{
    std::vector<std::pair<Child*, std::chrono::nanoseconds>> known;
    for (const ChildPtr& child : children) {
        if (const auto latency = ((*child).*speed).latency.median(); latency && child->online()) {
            known.emplace_back(child.get(), *latency);
        }
    }
    for (const auto& [child, own] : known) {
        std::vector<std::chrono::nanoseconds> peers;
        for (const auto& [other, latency] : known) {
            if (other != child) {
                peers.push_back(latency);
            }
        }
        std::atomic<bool>& slow = (child->*speed).slow;
        const bool now = is_slow(slow, own, peers);
        if (slow.exchange(now) != now) {
            std::sort(peers.begin(), peers.end());
            observer.speed_changed(*child, {op, now, own, peers[(peers.size() - 1) / 2]});
        }
    }
}

}  // namespace

void judge_speed(const Children& children, Observer& observer)
{
    judge(children, Op::read, &Child::reading, observer);
    judge(children, Op::write, &Child::writing, observer);
}

Children fast_first(Children children)
{
    std::stable_partition(children.begin(), children.end(),
                          [](const ChildPtr& child) { return !child->reading.slow; });
    return children;
}

void measure_others(State& state, const Children& voters, const ChildPtr& answered,
                    const Request& request)
{
    const auto may_be_slow = [](const ChildPtr& child) {
        return child->reading.latency.median() >= slow_floor / 2;
    };
    if (!state.time_to_measure(measuring_interval) ||
        std::none_of(voters.begin(), voters.end(), may_be_slow)) {
        return;
    }
    Fanout fan(state.clock, voters.size());  // which is left to itself
    fan.measure();
    for (const ChildPtr& child : voters) {
        if (child != answered && child->in_flight() < most_measuring) {
            fan.add(child);
        }
    }
    for (std::size_t i = 0; i < fan.slots().size(); i++) {
        fan.send(i, own_read(request));
    }
}

}  // namespace resilience::quorum
