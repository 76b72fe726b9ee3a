// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The reference: a device that is known to be right, as long as it is there.
//
// It is trusted about contents, and not about anything else: it may answer
// late, never, or from a server that has just been restarted.  None of that may
// delay a client for longer than the timeout, and none of it may look as if the
// device under test were wrong.  So there are two things to know about it:
//
//   present or away   It goes away when a request is not answered in time or
//                     when its link is lost.  While it is away nothing is sent
//                     to it.  It comes back when it has answered all that was
//                     ever sent (an old write could land on top of a new one),
//                     its link is up, and what was cut off has had time to end.
//
//   untrusted ranges  Where it need not hold what the device under test holds:
//                     a write failed on either side, it missed one, or it may
//                     have forgotten one that was not flushed.  They are exact
//                     to the byte (64 KiB for what was not flushed) and end
//                     when both sides have been written successfully again.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/core/interval_set.h"
#include "common/core/unflushed_map.h"
#include "common/device/buffer_pool.h"
#include "common/device/device.h"
#include "common/device/pending.h"
#include "common/thread/clock.h"
#include "filters/blkverify/observer.h"

namespace resilience::blkverify {

/// All members are safe to call from any thread unless they say otherwise.
class Reference {
public:
    Reference(std::shared_ptr<Device> device, Duration timeout, Observer& observer, Clock& clock);

    Device& device() const { return *device_; }

    // ---- present or away

    /// Whether it may be asked.
    bool present() const { return present_.load(std::memory_order_acquire); }
    /// Why it is away; empty while it is present.
    std::string away_reason() const;
    /// Requests that it has not answered, left behind or not.
    int in_flight() const { return flight_->requests.load(); }
    std::uint64_t times_lost() const { return times_lost_.load(); }

    /// Looks after it; called every now and then, by one thread.
    void housekeep();
    /// It is going to be stopped: what fails from now on is nobody's fault.
    void stopping() { stopping_.store(true); }

    // ---- what can be compared

    /// Counts how often it may have forgotten what was not flushed.  What is
    /// true about it before a request was sent is true about the answer only if
    /// this is still the same then.
    std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
    /// The parts of `range` in which both sides must hold the same.
    std::vector<ByteRange> trusted(ByteRange range) const;
    std::uint64_t untrusted_bytes() const;
    void distrust(ByteRange range);
    /// Both sides have been written, in `epoch`; `durable`: it cannot forget it.
    void wrote(ByteRange range, std::uint64_t epoch, bool durable);

    /// What a flush is to make durable: before it is sent.
    UnflushedMap::Taken flush_begins() { return unflushed_.take(); }
    /// After it; `ok`: it was answered with success.
    void flush_ends(const UnflushedMap::Taken& taken, std::uint64_t epoch, bool ok);

private:
    friend class ReferenceCall;

    /// What completions touch, which may come when all else is gone.
    struct Flight {
        std::atomic<int> requests{0};
        std::atomic<bool> write_cut_off{false};

        void ended(Op op, int error);
    };

    void distrust_marked(const DirtyBitmap& marked);
    void lose(const std::string& reason);
    void link_lost();

    const std::shared_ptr<Device> device_;
    const Duration timeout_;
    Observer& observer_;
    Clock& clock_;
    const bool forgets_;

    std::atomic<bool> present_{true};
    std::atomic<bool> stopping_{false};
    const std::shared_ptr<Flight> flight_ = std::make_shared<Flight>();
    std::atomic<std::uint64_t> times_lost_{0};
    std::atomic<std::uint64_t> epoch_{0};
    bool link_loss_noted_ = false;  // housekeep()'s thread only
    TimePoint rejoin_at_{};         // the same

    mutable std::mutex mutex_;  // what follows, and changes of present_
    std::string away_reason_;
    IntervalSet untrusted_;
    std::atomic<bool> any_untrusted_{false};  ///< to look without the lock
    UnflushedMap unflushed_;
};

/// One request to the reference, made while it is present: carried out at once
/// if it is a cached file, else under way until finish().  Used by one thread.
class ReferenceCall {
public:
    /// Sends `request`, of which a read brings its data into memory of its own.
    ReferenceCall(Reference& reference, const Request& request);

    /// Waits for the answer, until the timeout since it was sent: 0 or an errno.
    /// nullopt: the reference is away; it may carry the request out or not.
    std::optional<int> finish();

    /// What was read.
    std::span<const std::byte> data() const;
    /// How long it took.
    Duration duration() const { return ended_at_ - begun_at_; }
    std::uint64_t epoch() const { return epoch_; }

private:
    void try_now(const Request& request);

    Reference& reference_;
    const std::uint64_t epoch_;
    const TimePoint begun_at_;
    TimePoint ended_at_{};
    const Op op_;
    const ByteRange range_;
    Buffer buffer_;
    std::optional<int> result_;
    std::optional<Pending> pending_;
};

}  // namespace resilience::blkverify
