// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/memory_keeper.h"

#include <algorithm>
#include <cerrno>

#include "filters/quorum/answers.h"
#include "filters/quorum/write.h"

namespace resilience::quorum {

namespace {

/// How soon a takeover is noticed, and a stale map is written.
constexpr std::chrono::seconds interval{1};
/// Regions that nobody has written to for as long may lose their intent.
constexpr std::chrono::seconds idle_interval{3};
/// Places of the witness that are looked at for the first time, in each interval.
constexpr std::size_t most_looks = 32;
/// Those that could not be learned are tried again after this.
constexpr std::chrono::seconds look_interval{60};

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
        if (child.foreign()) {
            if (!memory->is_recorded_foreign(child.member)) {
                missing.emplace_back(child.member, memoryfile::MemberState::foreign);
            }
        } else if (child.unknown && !memory->is_recorded_filling(child.member)) {
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

int record_foreign(State& state)
{
    const bool unknown = std::ranges::any_of(state.children(), [&](const ChildPtr& child) {
        return child->foreign() && child->member != no_member &&
               !state.memory->is_recorded_foreign(child->member);
    });
    return unknown ? record_missing(state, {}) : 0;
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
        if (take_witness(memory, memory.witness_due(idle))) {
            memory.clear_intents(idle);
        }
    }
}

/// nullopt unless all that may be believed there, enough of them, have the same; or if
/// somebody writes there just now.  One that is away, and misses nothing there, may have
/// something else, and must not be measured by what the others have.
std::optional<ContentDigest> MemoryKeeper::digest_at(std::uint64_t offset)
{
    const ByteRange place{offset, offset + witness_block};
    const RangeLock::Guard guard = state_.try_lock(place, LockMode::shared);
    if (!guard || settler_.unsettled(place)) {
        return std::nullopt;
    }
    if (std::ranges::any_of(state_.children(), [&](const ChildPtr& child) {
            return !child->online() && !child->stale().any(place);
        })) {
        return std::nullopt;
    }
    Children voters = state_.voters(place);
    if (voters.empty() || voters.size() < state_.threshold()) {
        return std::nullopt;
    }
    Answers answers(std::move(voters), place);
    answers.read_separately(state_.clock);
    std::optional<ContentDigest> digest;
    for (const Answer& answer : answers.list()) {
        if (answer.error != 0) {
            return std::nullopt;
        }
        const ContentDigest found = digest_of(answer.data.span());
        if (digest && *digest != found) {
            return std::nullopt;
        }
        digest = found;
    }
    return digest;
}

/// Returns whether what is remembered of these places is right now, and durable.
bool MemoryKeeper::take_witness(Memory& memory, const std::vector<std::uint64_t>& offsets)
{
    std::vector<Memory::Seen> seen;
    for (const std::uint64_t offset : offsets) {
        if (state_.ending) {
            return false;  // what fails now says nothing
        }
        seen.emplace_back(offset, digest_at(offset));
    }
    return memory.note_witness(seen) == 0;
}

/// Learns places of which nothing is known yet: a few at a time, for the sake of clients.
void MemoryKeeper::look_around(Memory& memory)
{
    const std::vector<std::uint64_t> offsets = memory.witness_missing(look_from_, most_looks);
    look_from_ = offsets.empty() ? 0 : offsets.back() + witness_block;
    if (offsets.empty()) {
        next_look_ = state_.clock.now() + look_interval;
    } else {
        take_witness(memory, offsets);
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
    if (now >= next_look_ && !memory->anybody_behind()) {
        look_around(*memory);
    }
    memory->settle();
}

}  // namespace resilience::quorum
