// SPDX-License-Identifier: BSD-3-Clause

// What the memory knows of the content of its members (common/core/content_witness.h).
//
// A place counts while its region has no intent: then all members that are current have
// there what they had when its digest was taken.  So the digests of a region are taken anew
// before its intent is cleared, when everything there has been flushed, and are durable
// before that: in one write with it they could come apart.  A write that comes meanwhile
// keeps the intent.

#include <algorithm>

#include "filters/quorum/memory.h"

namespace resilience::quorum {

using memoryfile::Layout;

void Memory::mark_witness()
{
    for (std::uint64_t page = 0; page < Layout::witness_pages; page++) {
        mark_page(Layout::witness + page);
    }
}

void Memory::note_last_written(ByteRange range)
{
    for (std::uint64_t region = first_region(range); region <= last_region(range); region++) {
        const std::uint64_t at = std::max(range.begin, layout_.range_of(region).begin);
        last_written_[region].store(at / witness_block + 1, std::memory_order_relaxed);
    }
}

std::vector<std::uint64_t> Memory::witness_due(const std::vector<std::uint64_t>& regions) const
{
    std::set<std::uint64_t> due;
    std::vector<std::uint64_t> last;
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t region : regions) {
        for (const std::uint64_t offset :
             content_.witness.offsets_in(layout_.device_size, layout_.range_of(region))) {
            due.insert(offset);
        }
        const std::uint64_t block = last_written_[region].load(std::memory_order_relaxed);
        if (block != 0 && block * witness_block <= layout_.device_size) {
            last.push_back((block - 1) * witness_block);
        }
    }
    // More of them than are kept would only be read.
    const std::size_t kept = std::min(last.size(), most_recent);
    due.insert(last.end() - static_cast<std::ptrdiff_t>(kept), last.end());
    return {due.begin(), due.end()};
}

std::vector<std::uint64_t> Memory::witness_missing(std::uint64_t from, std::size_t most) const
{
    std::vector<std::uint64_t> missing;
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t offset : spread_offsets(layout_.device_size)) {
        if (missing.size() < most && offset >= from &&
            std::ranges::find(content_.witness.spread, offset, &WitnessPlace::offset) ==
                content_.witness.spread.end() &&
            !marked_.any({offset, offset + witness_block})) {
            missing.push_back(offset);
        }
    }
    return missing;
}

int Memory::note_witness(const std::vector<Seen>& seen)
{
    if (fenced()) {
        return ESTALE;
    }
    std::unique_lock lock(mutex_);
    const ContentWitness before = content_.witness;
    for (const auto& [offset, digest] : seen) {
        if (digest) {
            content_.witness.note(layout_.device_size, offset, *digest);
        } else {
            content_.witness.forget({offset, offset + witness_block});
        }
    }
    // Also what is on its way, or has failed before: who calls this relies on it.
    if (content_.witness == before && !writing_ && !dirty_.contains(Layout::witness)) {
        return 0;
    }
    mark_witness();
    return commit(lock);
}

int Memory::forget_witness(ByteRange range)
{
    std::unique_lock lock(mutex_);
    content_.witness.forget(range);
    mark_witness();
    return commit(lock);
}

std::vector<WitnessPlace> Memory::comparable_places() const
{
    const std::lock_guard lock(mutex_);
    std::vector<WitnessPlace> places = content_.witness.places();
    std::erase_if(places, [&](const WitnessPlace& place) { return marked_.any(place.range()); });
    return places;
}

std::size_t Memory::witnessed() const
{
    const std::lock_guard lock(mutex_);
    return content_.witness.spread.size() + content_.witness.recent.size();
}

}  // namespace resilience::quorum
