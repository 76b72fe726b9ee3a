// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A device on N replicas.
//
// Writes go to all children and succeed when `threshold` of them have done
// them; reads are voted on; a child that lies is reported and can be healed; a
// child that hangs is set aside and the others go on; a child that missed
// something is not believed there until that has been copied to it.
//
//   read.cc, fifo.cc, fastest.cc   the read patterns     answers.h  what voters say
//   write.cc, flush.cc             changes               fanout.h   asking many at once
//   extents.cc                     block status          child.h    one replica
//   blocks.cc                      sector by sector      state.h    what they share
//   resync.cc                      copying
//   membership*.cc                 adding and removing children
//   memory.h, memory_keeper.h      what outlives the server
//   settle.cc                      where members may rightly differ
//
// Two threads work in the background: one looks after the children's states
// and never waits; the other copies (resync) and rewrites (heal).

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/core/op_blockers.h"
#include "common/device/blocking_device.h"
#include "common/thread/background_thread.h"
#include "filters/quorum/fastest.h"
#include "filters/quorum/memory.h"
#include "filters/quorum/memory_keeper.h"
#include "filters/quorum/resync.h"
#include "filters/quorum/settle.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// A child to be: a device with the name that people call it.
struct NewChild {
    std::string node_name;  ///< empty: as its place in the quorum, "children.N"
    std::shared_ptr<Device> device;
    std::chrono::milliseconds timeout{10000};
    std::vector<std::string> storage = {};  ///< by storage_identity(), as far as known
    std::string spec = {};                  ///< for the memory; see member_spec()
    std::size_t member = no_member;         ///< its place in the memory
    std::string foreign = {};   ///< why it is not to be used; empty: it is
    bool unseen = false;        ///< see Child::begin_unseen()
    bool unchecked = false;     ///< see Child::begin_unchecked()
    /// What it is known to miss; null: nothing.
    std::shared_ptr<const DirtyBitmap> missing = {};
};

class QuorumDevice final : public BlockingDevice {
public:
    /// `options` are settled.  Throws SetupError if the sizes differ or a name
    /// is used twice.  With `background` false nothing is done on own threads:
    /// the resync then advances a little with every client request.
    QuorumDevice(Options options, std::vector<NewChild> children, Observer& observer,
                 bool background = true, Clock& clock = real_clock());
    ~QuorumDevice() override;

    /// What this quorum remembers, and knows from before: where it has intents, members may
    /// differ.  Before start().
    void remember(std::unique_ptr<Memory> memory);

    std::string describe() const override { return state_.options.name; }
    std::uint64_t size() const override { return state_.size; }
    Capabilities capabilities() const override { return capabilities_; }
    BlockLimits block_limits() const override { return block_limits_; }
    int execute(Request& request) override;

    /// Throws SetupError if the memory cannot be written.
    void start() override;
    void stop(std::chrono::milliseconds limit) override;

    const Options& options() const { return state_.options; }
    /// The children at this moment.
    Children children() const { return state_.snapshot(); }
    TimePoint now() const { return state_.clock.now(); }
    /// Null: this quorum has none.
    const Memory* memory() const { return memory_.get(); }
    const Settler& settler() const { return settler_; }
    /// All others are to become what this child is; before start().
    void begin_from(const std::string& source);
    /// Replaces what members have in `range` by what this child has.  Throws as below.
    void settle_from(const std::string& source, ByteRange range);

    // ---- membership (membership.cc); these throw std::runtime_error with a
    // text for people when they refuse

    /// Adds a child at the end of the order; returns its place ("children.N").
    /// Unless `content_is_equal`, it starts wholly stale.  The device has been
    /// started.
    std::string add_child(NewChild child, bool content_is_equal);
    /// Removes the child with this name or node name, and stops it.
    void remove_child(const std::string& name);
    /// Distrusts all that the child holds, so that the resync copies it anew.
    /// Refuses if too few others would be left to copy from.
    void make_stale(const std::string& name);
    /// Believes all that the child holds: the way out when too few children are
    /// current to copy from, and a person knows that nothing is missing.
    void assume_clean(const std::string& name);
    /// A foreign child is to be filled, whatever it holds.
    void accept_child(const std::string& name);
    /// The child with this name or node name, or null.
    ChildPtr find_child(const std::string& name) const;
    /// Throws if something that goes on forbids the command (see op_blockers.h).
    void refuse_if_blocked(Command command, const std::string& child) const;

    // ---- background work; called by the threads, or by a simulation

    /// Looks after the children; never waits.
    void housekeep();
    /// A piece of resync or healing.  Returns whether there is more to do now.
    bool work();

private:
    bool flush_in_background();
    void check_children();
    int read(Request& request);
    int read_as_one(Request& request);
    int read_in_parts(Request& request);
    ChildPtr make_child(const NewChild& child, std::string name);
    std::string next_name();
    void give_back_name(const std::string& name);
    std::vector<Running> running(const std::string& child) const;
    void check_addition(const NewChild& child) const;
    void check_dispensable(const Child& child) const;
    void forget_member(std::size_t member);
    std::optional<std::size_t> find_away(const std::string& name) const;
    std::string remember_new(const NewChild& child, std::size_t& member);
    /// A member that was away and is added again; `proven`: it is the disk that was left.
    struct Returning {
        std::size_t member;
        bool proven;
    };
    std::optional<Returning> recognise(NewChild& child) const;
    std::string remember_again(NewChild& child, const Returning& returning);
    void give_up_addition(std::size_t member, bool was_known);
    void distrust_missing(Child& child) const;
    std::optional<TimePoint> housekeeping_turn();
    std::optional<TimePoint> work_turn();

    Observer& observer_;
    const bool background_;
    State state_;
    FastestReader fastest_;
    Resync resync_;
    Settler settler_;
    std::unique_ptr<Memory> memory_;
    MemoryKeeper memory_keeper_;
    std::atomic<bool> fence_told_{false};
    Capabilities capabilities_;
    BlockLimits block_limits_;

    std::atomic<bool> membership_changes_{false};
    std::size_t next_index_ = 0;  // of the next child's name; under membership_changes_

    std::mutex work_mutex_;  // one thread resyncs at a time
    TimePoint flush_not_before_{};  // by ourselves
    /// Seen by the threads before the devices are stopped: what these fail from
    /// then on is no fault.
    std::atomic<bool> stopping_{false};
    BackgroundThread housekeeper_{"quorum-watch", [this](const auto&) { return housekeeping_turn(); }};
    BackgroundThread worker_{"quorum-resync", [this](const auto&) { return work_turn(); }};
};

}  // namespace resilience::quorum
