// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The primary's disk, as its guest sees it: reads are local, changes are made
// here and sent to the secondary.
//
// The order of things in a change, and why:
//
//   1. the range is locked, so that two changes that overlap reach both disks in
//      the same order;
//   2. the range is marked in the change map, before anything is changed: from
//      here on a crash of this side leaves a difference that is known;
//   3. the local disk is changed, and the change is given to the stream, which
//      either sends it or remembers that it is missed (sync: given first, so
//      that both disks work at the same time);
//   4. sync: the answer of the secondary is waited for.  An error there is not
//      the guest's: the range is missed, and the guest goes on.
//
// A checkpoint takes all ranges for a moment: no change is then between its mark
// and the stream.  It starts a new set of marks (`since`), and when it is known
// to be made, the change map forgets all others.
//
// The gate is the safety of the pair (see pair.h): nothing is acknowledged by a
// primary that may have been replaced.  It is shut until the secondary has
// accepted this side once, and for the moment that it takes to ask it again
// when it has refused a write or hung up: perhaps it was promoted.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "common/device/blocking_device.h"
#include "common/device/range_lock.h"
#include "common/store/change_map.h"
#include "common/thread/clock.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/primary/stream.h"

namespace resilience::replication {

/// Whether the guest's changes are carried out.
enum class Gate : std::uint8_t {
    shut,    ///< replication was not started: EIO
    asking,  ///< wait until the secondary was asked, at most the timeout
    open,
    fenced,  ///< this side was replaced: EIO, for good
};

struct GuestCounters {
    std::atomic<std::uint64_t> reads{0};
    std::atomic<std::uint64_t> writes{0};
    std::atomic<std::uint64_t> flushes{0};
    std::atomic<std::uint64_t> local_errors{0};
    std::atomic<std::uint64_t> refused{0};  ///< by the gate
};

class PrimaryDevice : public BlockingDevice {
public:
    PrimaryDevice(const Options& options, std::shared_ptr<Device> local,
                  std::unique_ptr<ChangeMap> map, Clock& clock = real_clock());

    // ---- Device

    std::string describe() const override { return local_->describe(); }
    std::uint64_t size() const override { return local_->size(); }
    Capabilities capabilities() const override;
    BlockLimits block_limits() const override { return local_->block_limits(); }
    int execute(Request& request) override;

    // ---- for the session

    Stream& stream() { return stream_; }
    ChangeMap& map() { return *map_; }
    const ChangeMap& map() const { return *map_; }
    Device& local() { return *local_; }
    /// A read of the local disk, or a question for its extents, on a thread that
    /// must end when the server ends: ETIMEDOUT after the timeout.
    int ask_local(Request& request);
    Clock& clock() { return clock_; }
    const GuestCounters& counters() const { return counters_; }

    Gate gate() const;
    /// A fence is for good.
    void set_gate(Gate gate);
    /// The secondary has said that this side is the primary, or the operator
    /// has.  Without that a gate that nobody can answer for stays shut.
    void accept();
    bool accepted() const;
    /// The secondary has hung up or refused a write: whether it was promoted
    /// has to be asked.  Wakes who waits when asking is over.
    void ask();

    RangeLock::Guard lock(ByteRange range);
    /// What is not marked must be the same on both disks, also after this side
    /// has lost its power: so what it has itself is made durable before marks are
    /// dropped.  0 or a positive errno; ETIMEDOUT if the disk hangs.  One that
    /// fails after that is told by the next call.
    int flush_local();
    /// Begins a checkpoint: all changes before it are in the stream, before its
    /// barrier.  False if the secondary lacks something, or in time.
    bool begin_checkpoint(TimePoint deadline);
    /// What was changed since the last checkpoint began.
    const DirtyBitmap& since() const { return since_; }

    /// Called after each flush of the guest, on its thread; what it returns is
    /// the flush's result.  Set before start().
    void on_flush(std::function<int()> callback) { on_flush_ = std::move(callback); }

    /// Called when the gate has a question, or the secondary is lost; on any
    /// thread, must not block.  Set before start().
    void on_ask(std::function<void()> callback) { on_ask_ = std::move(callback); }

private:
    int modify(Request& request);
    int modify_piece(Request& request);
    int carry_out(Request& request, ByteRange range, RangeLock::Guard guard);
    int flush(Request& request);
    int pass_gate();
    void doubt();
    Change change_of(const Request& request, bool with_data) const;
    int ask_local(Request& request, TimePoint deadline);
    TimePoint disk_deadline() const;

    const bool sync_;
    const Duration timeout_;
    const std::uint64_t alignment_;
    const std::shared_ptr<Device> local_;
    const std::unique_ptr<ChangeMap> map_;
    Clock& clock_;
    RangeLock lock_;
    Stream stream_;
    DirtyBitmap since_;
    std::function<int()> on_flush_;
    std::function<void()> on_ask_;
    GuestCounters counters_;
    /// Of a flush that was left behind; 0: none.  Outlives us with that flush.
    const std::shared_ptr<std::atomic<int>> late_flush_error_ =
        std::make_shared<std::atomic<int>>(0);

    mutable std::mutex gate_mutex_;
    std::condition_variable gate_changed_;
    std::atomic<Gate> gate_{Gate::shut};
    bool accepted_ = false;
};

}  // namespace resilience::replication
