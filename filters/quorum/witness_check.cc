// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/witness_check.h"

#include <utility>

#include <fmt/format.h>

namespace resilience::quorum {

using memoryfile::Content;
using memoryfile::MemberState;

std::vector<WitnessPlace> comparable_places(const Content& memory, std::size_t member)
{
    const memoryfile::Member& known = memory.members[member];
    const memoryfile::Layout layout(memory.root.device_size);
    const std::vector<std::uint64_t>& map = memory.maps[member];
    if (known.state == MemberState::none || known.state == MemberState::foreign ||
        (known.state == MemberState::filling && !known.has_map)) {
        return {};
    }
    std::vector<WitnessPlace> places = memory.witness.places();
    std::erase_if(places, [&](const WitnessPlace& place) {
        const std::uint64_t granule = place.offset / memoryfile::granule;
        const bool stale = known.state != MemberState::current && known.has_map &&
                           (map[granule / 64] >> granule % 64 & 1) != 0;
        return stale || memory.has_intent(place.offset / layout.region);
    });
    return places;
}

std::string in_words(const WitnessFindings& findings)
{
    return fmt::format("{} of {} places that were compared hold something else than was left "
                       "there, the first one at byte {}",
                       findings.differing.size(), findings.compared,
                       findings.differing.front().offset);
}

WitnessCheck::WitnessCheck(Device& device, std::vector<WitnessPlace> places)
{
    for (const WitnessPlace& place : places) {
        reads_->all.push_back({place, take_buffer(witness_block)});
    }
    reads_->pending = reads_->all.size();
    for (Read& read : reads_->all) {
        auto request = std::make_shared<Request>();
        request->offset = read.place.offset;
        request->length = witness_block;
        request->into = read.content.span();
        request->owner = read.content.memory;
        device.submit(std::move(request), [reads = reads_, &read](int error) {
            read.error = error;
            reads->pending.fetch_sub(1, std::memory_order_acq_rel);
        });
    }
}

bool WitnessCheck::ended() const
{
    return reads_->pending.load(std::memory_order_acquire) == 0;
}

WitnessFindings WitnessCheck::findings() const
{
    WitnessFindings findings;
    for (const Read& read : reads_->all) {
        if (read.error == 0) {
            findings.add(read.place, read.content.span());
        }
    }
    return findings;
}

}  // namespace resilience::quorum
