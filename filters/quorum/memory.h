// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a quorum remembers over the end of its server: who is current, and where writes
// may have been under way.
//
// The order of things, and why (docs/consistency.md argues it):
//
//   1. A region has its intent durably before the first child sees a write there.  So
//      after a crash all members that are current differ at most in regions with an
//      intent.
//   2. A member that misses something is recorded as behind before that is acknowledged.
//      So after a crash each member that is recorded as current has all that was
//      acknowledged (but for what the other side forgot, and that is in 1).
//   3. A new epoch is durable before the first write of a server is acknowledged: two
//      servers that use the same memory never both believe that it is theirs.
//   4. An intent is cleared late: when nobody writes there any more, after a flush that
//      all members have done, and never while a member is missing or behind.  What such
//      a member misses is therefore in the regions with an intent, whatever became of
//      its stale map; that map is only the finer word, and written lazily.
//
// Once a region has its intent a write there costs a test of a bit.  Those that come at
// the same time share one write of the memory.
//
// What the other side may do wrong: the copies fail (MemoryStore says when too few are
// left: then nothing that needs the memory is acknowledged), and another server may have
// taken over (fenced: EIO for all, for good).

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/format/quorum_memory.h"
#include "common/thread/clock.h"
#include "filters/quorum/memory_store.h"

namespace resilience::quorum {

/// Gives a member another state, as of now.  What its stale map said counts no more.
void change_state(memoryfile::Content& content, std::size_t place,
                  memoryfile::MemberState state);

/// Thread-safe, but for begin().
class Memory {
public:
    using Place = std::size_t;  ///< of a member

    /// `content`: what was found, or what a new set begins with, its root of the epoch
    /// before ours.  `patience`: how long a request waits for the memory at most.
    Memory(memoryfile::Content content, std::unique_ptr<MemoryStore> store, Duration patience,
           Clock& clock);

    /// Begins our epoch, durably; threads and copies must be there.  0 or a positive
    /// errno (ESTALE: another server was quicker).
    int begin();

    const memoryfile::Layout& layout() const { return layout_; }
    memoryfile::Root root() const;
    std::vector<std::pair<Place, memoryfile::Member>> members() const;
    /// All of it, as it is at this moment.
    memoryfile::Content content() const;
    MemoryStore& store() { return *store_; }
    const MemoryStore& store() const { return *store_; }

    /// Somebody has taken the set over: nothing may be served any more.
    bool fenced() const { return store_->fenced(); }

    // ---- what requests need; these return 0, EIO, or ESTALE (fenced)

    /// `range` is about to be written.
    int intend(ByteRange range);
    /// These members are not current any more, but behind, or filling; what was missed may
    /// be acknowledged then.
    int record_missing(const std::vector<std::pair<Place, memoryfile::MemberState>>& members);
    bool is_recorded_current(Place place) const { return current_[place].load(); }
    bool is_recorded_filling(Place place) const { return filling_[place].load(); }
    bool is_recorded_foreign(Place place) const { return foreign_[place].load(); }

    // ---- what is done in a while

    /// This member has all again, durably.  Written with whatever is written next.  `still`
    /// is asked when whoever makes it miss something from now on records that anew.
    void record_current(Place place, const std::function<bool()>& still);
    /// Changes members as `change` does, durably.  For commands.
    int change_members(const std::function<void(memoryfile::Content&)>& change);
    /// The stale map of a member that is not current: words of 64 granules of 64 KiB, with
    /// what was copied to it and is not durable there.  Written with whatever is next.
    void note_map(Place place, std::vector<std::uint64_t> stale);
    /// Regions with an intent that nobody has written to since the last call.  The caller
    /// waits for the requests that are under way there, has all members flush, and calls
    /// clear_intents() with them.
    std::vector<std::uint64_t> take_idle();
    /// Clears those that still nobody has written to.  What is remembered of their content
    /// must be right, and durable: see note_witness().
    void clear_intents(const std::vector<std::uint64_t>& regions);

    // ---- the content witness: what counts is what is outside of regions with an intent

    /// What was found at a place; nullopt: the members are not known to be equal there.
    using Seen = std::pair<std::uint64_t, std::optional<ContentDigest>>;

    /// The places to look at, in these regions, before their intents are cleared: offsets.
    std::vector<std::uint64_t> witness_due(const std::vector<std::uint64_t>& regions) const;
    /// Spread places of which nothing is known, from this offset on, at most so many; not
    /// where somebody may be writing.
    std::vector<std::uint64_t> witness_missing(std::uint64_t from, std::size_t most) const;
    /// From now on this is known of these places, durably.  0, EIO or ESTALE.
    int note_witness(const std::vector<Seen>& seen);
    /// Nothing is known of what is there, durably: somebody says what is to be there.
    int forget_witness(ByteRange range);
    /// What a member that is current must have.
    std::vector<WitnessPlace> comparable_places() const;
    /// How many places are known.
    std::size_t witnessed() const;

    /// Whether any member, away or not, is not current.
    bool anybody_behind() const;
    bool has_intent(ByteRange range) const { return marked_.any(range); }
    const DirtyBitmap& intents() const { return marked_; }
    /// Bytes of regions with an intent.
    std::uint64_t intended_bytes() const { return marked_.marked_bytes(); }
    /// Writes what has to be written, mends lost copies, and looks whether the memory is
    /// ours still.  One thread.
    int settle();

private:
    std::uint64_t first_region(ByteRange range) const { return range.begin / layout_.region; }
    std::uint64_t last_region(ByteRange range) const { return (range.end - 1) / layout_.region; }
    bool is_durable(ByteRange range) const;
    int commit(std::unique_lock<std::mutex>& lock);
    void write_batch(std::unique_lock<std::mutex>& lock);
    memoryfile::Payload encode(std::uint64_t page) const;
    MemoryStore::Pages everything() const;
    void note_recorded(Place place, memoryfile::MemberState state);
    void set_state(Place place, memoryfile::MemberState state);
    void mark_page(std::uint64_t page) { dirty_.insert(page); }
    void mark_witness();
    void note_last_written(ByteRange range);

    const memoryfile::Layout layout_;
    const std::unique_ptr<MemoryStore> store_;
    const Duration patience_;
    Clock& clock_;
    DirtyBitmap marked_;    ///< regions with an intent, on their way to the copies or there
    DirtyBitmap durable_;   ///< there
    DirtyBitmap used_;      ///< written since take_idle()
    /// False only when that is on the copies.
    std::array<std::atomic<bool>, memoryfile::most_members> current_{};
    std::array<std::atomic<bool>, memoryfile::most_members> filling_{};  ///< likewise, if true
    std::array<std::atomic<bool>, memoryfile::most_members> foreign_{};  ///< likewise, if true
    /// Of each region: the block that was written last, counted from 1; 0: none by us.
    std::vector<std::atomic<std::uint64_t>> last_written_;

    mutable std::mutex mutex_;  ///< what follows
    std::condition_variable done_or_idle_;
    memoryfile::Content content_;  ///< but for its intents: those are in marked_
    std::set<std::uint64_t> dirty_;  ///< pages
    /// Members whose stale map is in the copies as a whole when the next write has ended.
    std::set<Place> new_maps_;
    std::uint64_t wanted_ = 0;  ///< commits asked for
    std::uint64_t done_ = 0;    ///< of them: those that have ended
    int result_ = 0;            ///< of the last one
    bool writing_ = false;
    TimePoint mend_at_{};       ///< settle()'s
};

}  // namespace resilience::quorum
