// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/quorum/fault_atlas.h"

#include <algorithm>

namespace resilience::sim {

bool FaultAtlas::permit(const SimulatedDevice& device, FaultKind kind, ByteRange range)
{
    if (limits_.excess && kind == FaultKind::flush_error) {
        return false;
    }
    const bool one_place = kind == FaultKind::read_error || kind == FaultKind::write_error ||
                           lies(kind);
    return enter(device, lies(kind), one_place ? range : ByteRange{0, device.size()});
}

bool FaultAtlas::permit_all(const SimulatedDevice& device, bool lie)
{
    return enter(device, lie, {0, device.size()});
}

bool FaultAtlas::enter(const SimulatedDevice& device, bool lie, ByteRange range)
{
    update();
    if (lie && (!limits_.comparing || limits_.excess || limits_.by_sector)) {
        return false;
    }
    const quorum::Children children = quorum_.children();
    const bool member = std::any_of(children.begin(), children.end(), [&](const auto& child) {
        return &child->device() == &device;
    });
    const std::size_t members = children.size() + (member ? 0 : 1);
    const std::size_t threshold = quorum_.options().threshold;
    const std::uint64_t first = range.begin / granule_size();
    const std::uint64_t last = (range.end - 1) / granule_size();
    for (std::uint64_t g = first; g <= last && !limits_.excess; g++) {
        std::size_t impaired = 1;
        std::size_t liars = lie ? 1 : 0;
        for (const auto& [other, granules] : impaired_) {
            if (other != &device && granules[g].open) {
                impaired++;
                liars += granules[g].lie;
            }
        }
        if (impaired > members - threshold || liars >= threshold) {
            return false;
        }
    }
    Granules& granules = impaired_[&device];
    granules.resize((device.size() + granule_size() - 1) / granule_size());
    for (std::uint64_t g = first; g <= last; g++) {
        granules[g] = {true, granules[g].lie || lie, false, 0};
    }
    return true;
}

bool FaultAtlas::sound(const SimulatedDevice& device, const quorum::Child& child,
                       std::uint64_t granule) const
{
    const std::uint64_t begin = granule * granule_size();
    const std::uint64_t end = std::min(begin + granule_size(), device.size());
    if (child.stale().any({begin, end})) {
        return false;
    }
    for (std::uint64_t s = begin / sector_size; s < end / sector_size; s++) {
        const bool right = oracle_.quiet(s) && device.visible(s) == oracle_.at(s).expected;
        if (!right || device.lied(s) || device.unreadable(s)) {
            return false;
        }
    }
    return true;
}

void FaultAtlas::update()
{
    for (const quorum::ChildPtr& child : quorum_.children()) {
        const auto& device = static_cast<const SimulatedDevice&>(child->device());
        const auto found = impaired_.find(&device);
        if (found == impaired_.end()) {
            continue;
        }
        const bool whole = !device.troubled() && child->owed() == 0 &&
                           child->state() == ChildState::online;
        for (std::uint64_t g = 0; g < found->second.size(); g++) {
            Impairment& impairment = found->second[g];
            if (!impairment.open) {
                continue;
            }
            if (!whole || !sound(device, *child, g)) {
                impairment.over = false;
            } else if (!impairment.over) {
                impairment.over = true;
                impairment.from = oracle_.next_number();
            } else if (oracle_.oldest_running() >= impairment.from) {
                impairment = {};
            }
        }
    }
}

bool FaultAtlas::anything_impaired()
{
    update();
    return std::any_of(impaired_.begin(), impaired_.end(), [](const auto& each) {
        return std::any_of(each.second.begin(), each.second.end(),
                           [](const Impairment& i) { return i.open; });
    });
}

}  // namespace resilience::sim
