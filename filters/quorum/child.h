// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One replica of a quorum: a Device, and what we know of its trustworthiness.
//
// Two things are remembered about a child, both at 64 KiB granularity and both
// in memory only:
//
//   stale      It missed something here.  It neither votes nor is read in such
//              a range until the resync has copied it; but see Standing in
//              common/core/vote.h.  Where it is also doubtful it may have lost
//              what it did, or has never had what the others have.
//   unflushed  It was written here since its last flush.  If it goes away and
//              comes back (a server that restarts), it may have forgotten that,
//              so all of this becomes stale.
//
// Where all that it may lack is kept (unflushed_data.h), what is stale is *replayable*:
// it needs no other child to be believed again, only that what is kept is written once
// more (replay.h).
//
// A request that was abandoned stays *owed*: the child may still carry it out
// whenever it wakes up.  A child that is not online comes back only when nothing
// at all is in flight to it, or an old write could land on top of a copy.
//
// A child that comes back after its link was lost is compared with what the memory knows
// of its content (WitnessCheck), if there is a memory.  One that differs is another disk, or
// an old copy: it is *foreign*, and stays aside whatever it answers until accept().
//
// A child that is set aside again and again waits longer each time before it comes
// back (Relapses); and what is asked of all children alike tells which are slow.

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/core/child_state.h"
#include "common/core/dirty_bitmap.h"
#include "common/core/relapses.h"
#include "common/core/slowness.h"
#include "common/core/unflushed_map.h"
#include "common/core/vote.h"
#include "common/device/device.h"
#include "common/thread/clock.h"
#include "filters/quorum/differences.h"
#include "filters/quorum/memory.h"
#include "filters/quorum/witness_check.h"

namespace resilience::quorum {

/// Exact counts, never throttled, for programs that want to see every event.
struct ChildCounters {
    std::atomic<std::uint64_t> reads{0};
    std::atomic<std::uint64_t> writes{0};
    std::atomic<std::uint64_t> flushes{0};
    std::atomic<std::uint64_t> read_errors{0};
    std::atomic<std::uint64_t> write_errors{0};
    std::atomic<std::uint64_t> flush_errors{0};
    std::atomic<std::uint64_t> mismatches{0};         ///< votes lost
    std::atomic<std::uint64_t> differing_sectors{0};  ///< in them
    /// Of those: the winner has zeroes there, and it has not.
    std::atomic<std::uint64_t> zeroes_against_data{0};
    std::atomic<std::uint64_t> timeouts{0};           ///< requests abandoned
    std::atomic<std::uint64_t> late_answers{0};       ///< of those, answered after all
    std::atomic<std::uint64_t> rewrites{0};           ///< corrupt ranges rewritten
    std::atomic<std::uint64_t> rewrite_errors{0};
    std::atomic<std::uint64_t> resynced_bytes{0};
    std::atomic<std::uint64_t> links_lost{0};
    std::atomic<std::uint64_t> not_compared{0};       ///< fastest: was too far behind to be asked
};

/// How fast a child is in one operation; see speed.h.
struct Speed {
    RecentLatency latency;
    std::atomic<bool> slow{false};
};

/// What the resync is to do with a child.
enum class ResyncMode : std::uint8_t { automatic, paused, cancelled };

inline constexpr std::size_t no_member = std::numeric_limits<std::size_t>::max();

class Child : public std::enable_shared_from_this<Child> {
public:
    using StateCallback = std::function<void(const Child&, ChildState from, ChildState to,
                                             const std::string& reason)>;

    /// `name` is its place in the quorum ("children.2"), `node_name` what
    /// people call it.
    /// `storage` is what is known to be in it: see storage_identity().
    Child(std::string name, std::string node_name, std::shared_ptr<Device> device,
          Duration timeout, Clock& clock, std::vector<std::string> storage = {});

    const std::string& name() const { return name_; }
    const std::string& node_name() const { return node_name_; }
    Device& device() const { return *device_; }
    std::shared_ptr<Device> shared_device() const { return device_; }
    Duration timeout() const { return timeout_; }
    const std::vector<std::string>& storage() const { return storage_; }

    /// Called on every change of state, without locks; set before use.
    void on_state_change(StateCallback callback) { on_state_change_ = std::move(callback); }

    // ---- state

    ChildState state() const { return state_.load(std::memory_order_acquire); }
    /// May be asked: it is online and its link is up.
    bool online() const { return state() == ChildState::online && device_->link() == Link::up; }
    /// May be believed about `range`.
    bool current(ByteRange range) const { return online() && !stale_.any(range); }
    /// The same of all of it.
    bool current() const { return online() && !stale_.any(); }

    /// A request was abandoned: it is owed from now on.  missed_deadline()
    /// follows, outside of locks, since it may report a change of state.
    void owe() { owed_.fetch_add(1); }
    void missed_deadline();
    /// An abandoned request has come back after all.
    void late_answer();
    int owed() const { return owed_.load(); }
    /// The link broke with a write in flight: the other side may have carried
    /// it out, or may yet.
    void write_cut_off() { write_cut_off_.store(true); }

    /// Looks after the child; called every now and then by one thread.  Notes a
    /// lost link, sets a silent child aside, brings back one that answers: after
    /// relapses only when its wait is over, unless it is `needed`.
    void housekeep(TimePoint now, bool needed);

    /// How often it has missed a deadline without a long good time in between.
    unsigned relapses() const;
    /// How long it is left alone although it answers; 0: not at all.
    Duration waits(TimePoint now) const;
    /// Somebody says that it is well: it need not wait.
    void forgive();

    // ---- requests in flight, abandoned or not

    void request_begins() { in_flight_.fetch_add(1); }
    /// Call it after whatever else is to be noted about the request.
    void request_ends() { in_flight_.fetch_sub(1); }
    int in_flight() const { return in_flight_.load(); }

    // ---- how fast it is

    /// Of reads and of writes, which is all that is measured.
    Speed reading;
    Speed writing;
    /// It has answered a request of this kind, which others have been asked too.
    void answered(Op op, Duration took);

    // ---- what it holds

    const DirtyBitmap& stale() const { return stale_; }
    /// The part of it of which nobody knows what it holds there; see Standing.
    const DirtyBitmap& doubtful() const { return doubtful_; }
    /// The part of it that a replay makes good.
    const DirtyBitmap& replayable() const { return replayable_; }

    /// Counts how often it may have forgotten what was not flushed (the links
    /// it has lost); taken before a request is sent.
    std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
    /// It carried out a write of `range` that was sent in `epoch`; `durable`:
    /// it cannot forget it; `kept`: it will be among the UnflushedData.  Clears the
    /// staleness of what was wholly written.
    void wrote(ByteRange range, std::uint64_t epoch, bool durable, bool kept = false);
    /// It missed a write of `range`, and what it did before is still there; `kept`: as
    /// for wrote().
    void missed(ByteRange range, bool kept = false);
    /// It holds in `range` nobody knows what.
    void distrust(ByteRange range);
    /// It missed something where it is stale now, and may be all that is left of
    /// something else: the members, or what makes a majority of them, have changed.
    void doubt_stale();
    /// A write of `range` that was sent in `epoch` may have changed it, although it
    /// failed or came too late: what can be read there now may be forgotten.
    void may_have_written(ByteRange range, std::uint64_t epoch, bool kept);
    /// Of `range` something is not kept any more that it may lack.
    void lost_kept(ByteRange range);
    /// All that it holds is right.
    void believe_all();
    /// What its copy of `range` is worth.
    Standing standing(ByteRange range) const;
    /// Where it is known to be wrong.
    Differences& differences() { return differences_; }
    const Differences& differences() const { return differences_; }

    /// What a flush is to make durable.
    struct Flushing {
        std::uint64_t epoch = 0;
        std::uint64_t given_up = 0;
        UnflushedMap::Taken kept;
        UnflushedMap::Taken unkept;
    };
    /// Call before a flush is sent, and one of the other two after it.
    Flushing flush_begins();
    /// It succeeded.  Returns false if that says nothing, because the link was
    /// lost since it began; then it has failed.  `alone`, if given: what it was to
    /// make durable surely is.
    bool flush_succeeded(const Flushing& flushing, bool* alone = nullptr);
    /// It failed.  `distrust`: on this child alone.  A disk that fails a flush
    /// may have dropped what it was to make durable and still answer reads from
    /// its cache: what was written since the last flush cannot be trusted.
    void flush_failed(const Flushing& flushing, bool distrust);
    /// It may have forgotten all that was not flushed.
    void distrust_unflushed();

    /// What is kept now will not be kept any more: what is replayable is stale for
    /// good, and what is unflushed will be so if it is forgotten.
    void give_up_kept();
    /// Call before what is kept is looked up for a replay.
    struct Replaying {
        std::uint64_t epoch = 0;
        std::uint64_t given_up = 0;
    };
    Replaying replay_begins() const;
    /// All that is kept of `range`, whole granules, has been written to it again.
    /// The caller holds the range since replay_begins().
    void replayed(ByteRange range, const Replaying& replaying);

    // ---- is it the disk that we left?

    using ForeignCallback = std::function<void(const Child&, const std::string& why)>;
    /// What it is compared with; outlives it.  Set before use, like what follows.
    void compare_with(const Memory& memory) { memory_ = &memory; }
    /// Called when it turns out to be foreign, without locks.
    void on_foreign(ForeignCallback callback) { on_foreign_ = std::move(callback); }
    /// It is foreign, and aside, from the beginning.
    void begin_foreign(std::string why);
    /// It is away, and was not seen since it was left: when it comes it is believed only if
    /// something proves that it is the same.
    void begin_unseen() { unseen_ = true; }
    /// It is there, and has to be compared before it is asked for anything.
    void begin_unchecked();
    /// It has not been compared yet, although it is there.
    bool is_unchecked() const { return unchecked_.load(); }

    /// It is there, and is being compared: it is asked for nothing else until all has been
    /// answered, however long that takes.
    bool comparing() const { return comparing_.load(); }

    bool foreign() const { return foreign_.load(); }
    /// Empty: it is not.
    std::string why_foreign() const;
    /// Somebody says that it is to be filled, whatever it holds.  The caller holds all.
    void accept();

    // ---- memory

    /// Its place in the memory of the quorum; see Memory.  Set before use.
    std::size_t member = no_member;
    /// What it misses is more than writes that it was not given: it has to be filled.
    std::atomic<bool> unknown{false};
    /// It was written since its last flush.
    bool may_forget() const
    {
        return flushes_.load() != 0 || unflushed_.any() || unflushed_unkept_.any();
    }
    /// What it misses, and what it may yet forget: words of 64 granules.  nullopt while a
    /// flush is under way: then it is not known what it may forget.
    std::optional<std::vector<std::uint64_t>> missing_words() const;

    // ---- resync

    std::atomic<ResyncMode> resync_mode{ResyncMode::automatic};
    std::atomic<std::uint64_t> resync_total{0};  ///< bytes; 0: none is under way
    std::atomic<bool> resync_blocked{false};     ///< some range has no quorum to copy from
    std::atomic<std::uint64_t> blocked_at{0};    ///< and this byte is in one; set before the other

    ChildCounters counters;

private:
    void apply(ChildEvent event, std::string detail = {});
    bool may_come_back(TimePoint now, bool needed);
    std::string note_fall();
    void lose_link();
    bool is_the_one();
    void judge(const WitnessFindings& findings);
    void believe(ByteRange range);
    void becomes_stale(ByteRange range, bool kept, Standing standing);
    void may_have_forgotten(const DirtyBitmap& kept, const DirtyBitmap& unkept);
    DirtyBitmap no_marks() const { return {stale_.size(), stale_.granularity()}; }
    void put_back(const Flushing& flushing);

    const std::string name_;
    const std::string node_name_;
    const std::shared_ptr<Device> device_;
    const Duration timeout_;
    Clock& clock_;
    const std::vector<std::string> storage_;
    StateCallback on_state_change_;

    mutable std::mutex state_mutex_;  // serialises changes of state
    std::atomic<ChildState> state_{ChildState::online};
    TimePoint rejoin_at_{};
    Relapses relapses_;  // under state_mutex_
    // housekeep()'s thread only, when it runs.
    bool link_loss_noted_ = false;
    bool to_compare_ = false;
    bool as_before_ = true;  ///< while it is to be compared: Device::may_be_as_before()
    bool unseen_ = false;
    std::optional<WitnessCheck> check_;

    std::atomic<bool> unchecked_{false};
    std::atomic<bool> comparing_{false};
    std::atomic<bool> foreign_{false};
    std::string why_foreign_;  ///< under state_mutex_
    ForeignCallback on_foreign_;
    const Memory* memory_ = nullptr;

    std::atomic<int> owed_{0};
    std::atomic<bool> write_cut_off_{false};
    std::atomic<int> in_flight_{0};
    std::atomic<int> flushes_{0};  ///< begun, not concluded
    std::atomic<std::uint64_t> flushes_begun_{0};
    std::atomic<std::uint64_t> epoch_{0};
    DirtyBitmap stale_;
    /// Serialises what is not a single bit: why something is stale, and whether what
    /// is unflushed is kept.
    mutable std::mutex trust_mutex_;
    /// Both under trust_mutex_ when they change; what is in them is stale.  Set before
    /// stale_ is, and doubtful_ is cleared after it: who finds that set must find this, too.
    DirtyBitmap doubtful_;
    DirtyBitmap replayable_;
    std::uint64_t given_up_ = 0;     ///< how often; under trust_mutex_
    UnflushedMap unflushed_;         ///< what is kept
    UnflushedMap unflushed_unkept_;
    Differences differences_;
};

using ChildPtr = std::shared_ptr<Child>;
using Children = std::vector<ChildPtr>;

}  // namespace resilience::quorum
