// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/memory_keeper.h"

#include <algorithm>
#include <cerrno>

#include "filters/quorum/write.h"

namespace resilience::quorum {

namespace {

/// How soon a takeover is noticed, and a stale map is written.
constexpr std::chrono::seconds interval{1};
/// Regions that nobody has written to for as long may lose their intent.
constexpr std::chrono::seconds idle_interval{3};

}  // namespace

int record_missing(State& state, const Children& not_flushed)
{
    Memory* const memory = state.memory;
    if (memory == nullptr) {
        return 0;
    }
    if (state.ending) {
        return ESHUTDOWN;  // nothing is acknowledged, and nobody is blamed
    }
    std::vector<std::pair<Memory::Place, memoryfile::MemberState>> missing;
    const auto note = [&](const Child& child) {
        if (child.member == no_member) {
            return;
        }
        if (child.unknown && !memory->is_recorded_filling(child.member)) {
            missing.emplace_back(child.member, memoryfile::MemberState::filling);
        } else if (memory->is_recorded_current(child.member)) {
            missing.emplace_back(child.member, memoryfile::MemberState::behind);
        }
    };
    for (const ChildPtr& child : state.children()) {
        if (child->stale().any()) {
            note(*child);
        }
    }
    for (const ChildPtr& child : not_flushed) {
        if (child->may_forget()) {
            note(*child);
        }
    }
    return missing.empty() ? 0 : memory->record_missing(missing);
}

void MemoryKeeper::note_maps(Memory& memory)
{
    for (const ChildPtr& child : state_.snapshot()) {
        if (child->member != no_member && !memory.is_recorded_current(child->member)) {
            if (auto words = child->missing_words()) {
                memory.note_map(child->member, std::move(*words));
            }
        }
    }
}

/// Some member has all again, and only a flush is between it and being current.
bool MemoryKeeper::wants_flush(const Memory& memory) const
{
    return std::ranges::any_of(state_.snapshot(), [&](const ChildPtr& child) {
        return child->member != no_member && !memory.is_recorded_current(child->member) &&
               child->current();
    });
}

void MemoryKeeper::clear_idle(Memory& memory)
{
    std::vector<std::uint64_t> idle = memory.take_idle();
    std::erase_if(idle, [&](std::uint64_t region) {
        return settler_.unsettled(memory.layout().range_of(region));
    });
    if (idle.empty() || memory.anybody_behind()) {
        return;
    }
    for (const std::uint64_t region : idle) {
        // Whoever is under way there has ended then.
        if (!state_.lock(memory.layout().range_of(region), LockMode::shared)) {
            return;
        }
    }
    if (flush_everybody(state_)) {
        memory.clear_intents(idle);
    }
}

void MemoryKeeper::step()
{
    Memory* const memory = state_.memory;
    const TimePoint now = state_.clock.now();
    if (memory == nullptr || now < next_) {
        return;
    }
    next_ = now + interval;
    {
        // Also where nobody writes: another file may be at a child's path.
        const RangeLock::Guard guard = state_.lock_lane();
        record_missing(state_, {});
    }
    note_maps(*memory);
    if (wants_flush(*memory)) {
        flush_unasked(state_);
    }
    if (now >= next_clear_ && memory->intended_bytes() != 0) {
        next_clear_ = now + idle_interval;
        clear_idle(*memory);
    }
    memory->settle();
}

}  // namespace resilience::quorum
