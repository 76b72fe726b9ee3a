// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/quorum/checks.h"

#include <algorithm>

#include <fmt/format.h>

namespace resilience::sim {

namespace {

const SimulatedDevice& device_of(const quorum::ChildPtr& child)
{
    return static_cast<const SimulatedDevice&>(child->device());
}

template <typename Holds>
std::size_t count_children(const quorum::QuorumDevice& quorum, Holds holds)
{
    const quorum::Children children = quorum.children();
    return static_cast<std::size_t>(std::count_if(
        children.begin(), children.end(),
        [&](const quorum::ChildPtr& child) { return holds(device_of(child)); }));
}

}  // namespace

std::optional<std::string> check_copies(const Oracle& oracle, const quorum::QuorumDevice& quorum,
                                        const Request& request, TimePoint began)
{
    const std::size_t threshold = quorum.options().threshold;
    for (std::uint64_t s = request.offset / sector_size; s < request.end() / sector_size; s++) {
        if (!oracle.quiet(s)) {
            continue;
        }
        const std::size_t copies = count_children(quorum, [&](const SimulatedDevice& device) {
            return (device.visible(s) == oracle.at(s).expected && !device.lied(s)) ||
                   device.last_crash() >= began;
        });
        if (copies < threshold) {
            return fmt::format("sector {}: an acknowledged {} is on {} children only{}", s,
                               to_string(request.op), copies,
                               describe_sector(oracle, quorum, s));
        }
    }
    return std::nullopt;
}

std::vector<std::uint64_t> quiet_sectors(const Oracle& oracle)
{
    std::vector<std::uint64_t> quiet;
    for (std::uint64_t s = 0; s < oracle.sectors(); s++) {
        if (oracle.quiet(s)) {
            quiet.push_back(s);
        }
    }
    return quiet;
}

std::optional<std::string> check_durable(const Oracle& oracle, const quorum::QuorumDevice& quorum,
                                         const std::vector<std::uint64_t>& sectors)
{
    const std::size_t threshold = quorum.options().threshold;
    for (const std::uint64_t s : sectors) {
        const std::size_t copies = count_children(quorum, [&](const SimulatedDevice& device) {
            return device.durable(s) == oracle.at(s).expected && !device.lied(s);
        });
        if (copies < threshold) {
            return fmt::format("sector {}: after an acknowledged flush it is durable on {} "
                               "children only{}",
                               s, copies, describe_sector(oracle, quorum, s));
        }
    }
    return std::nullopt;
}

std::optional<std::string> check_staleness(const Oracle& oracle,
                                           const quorum::QuorumDevice& quorum)
{
    for (const quorum::ChildPtr& child : quorum.children()) {
        const SimulatedDevice& device = device_of(child);
        if (device.link_lost()) {
            continue;  // nobody asks it before this has been noted
        }
        for (std::uint64_t s = 0; s < oracle.sectors(); s++) {
            if (oracle.quiet(s) && device.visible(s) != oracle.at(s).expected &&
                !device.lied(s) &&
                !child->stale().any({s * sector_size, (s + 1) * sector_size})) {
                return fmt::format("sector {}: {} is wrong, and not known to be stale there{}", s,
                                   device.describe(), describe_sector(oracle, quorum, s));
            }
        }
    }
    return std::nullopt;
}

std::optional<std::string> check_equal(const Oracle& oracle, const quorum::QuorumDevice& quorum)
{
    const quorum::Children children = quorum.children();
    for (const quorum::ChildPtr& child : children) {
        const SimulatedDevice& device = device_of(child);
        for (std::uint64_t s = 0; s < oracle.sectors(); s++) {
            if (oracle.quiet(s) && device.visible(s) != oracle.at(s).expected) {
                return fmt::format("sector {}: at the end {} is wrong{}", s, device.describe(),
                                   describe_sector(oracle, quorum, s));
            }
        }
        if (device.content() != device_of(children.front()).content()) {
            return fmt::format("at the end {} and {} differ", device.describe(),
                               device_of(children.front()).describe());
        }
    }
    return std::nullopt;
}

std::string describe_sector(const Oracle& oracle, const quorum::QuorumDevice& quorum,
                            std::uint64_t sector)
{
    std::string text = fmt::format("; it must be {:#x}", oracle.at(sector).expected);
    for (const quorum::ChildPtr& child : quorum.children()) {
        const SimulatedDevice& device = device_of(child);
        const ByteRange range{sector * sector_size, (sector + 1) * sector_size};
        text += fmt::format(" [{} {}: {:#x}, durable {:#x}{}{}{}]", child->name(),
                            device.describe(), device.visible(sector), device.durable(sector),
                            device.lied(sector) ? ", lied" : "",
                            device.unreadable(sector) ? ", unreadable" : "",
                            child->stale().any(range) ? ", stale" : "");
    }
    return text;
}

std::string describe_children(const quorum::QuorumDevice& quorum)
{
    std::string text;
    for (const quorum::ChildPtr& child : quorum.children()) {
        const SimulatedDevice& device = device_of(child);
        text += fmt::format(" [{} {}: {}, {} bytes stale, owes {}, {}{}]", child->name(),
                            device.describe(), to_string(child->state()),
                            child->stale().marked_bytes(), child->owed(),
                            quorum::resync_status(*child).state,
                            device.troubled() ? ", in trouble" : "");
    }
    return text;
}

void Witness::report_bad(const quorum::Child& child, const quorum::BadReport& report)
{
    const auto& device = static_cast<const SimulatedDevice&>(child.device());
    if (report.mismatch && !device.ever_lied() && !excess_) {
        fail_(fmt::format("{} is accused of wrong data at byte {}, and never had any",
                          device.describe(), report.mismatch->first_difference));
    }
    world_.preempt();
}

void Witness::resync_blocked(const quorum::Child& child, ByteRange range)
{
    if (!excess_) {
        fail_(fmt::format("the resync of {} found no quorum for {}..{}", child.name(),
                          range.begin, range.end));
    }
}

}  // namespace resilience::sim
