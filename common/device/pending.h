// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One request on its way to a device, which its sender may leave behind.
//
// Nobody may wait for a device longer than a deadline allows, and a request
// that was submitted cannot be called back.  So what is submitted is a copy
// that owns its memory: when the deadline comes, the sender goes on, and the
// device may answer whenever it likes, or never.

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "common/device/device.h"
#include "common/thread/clock.h"

namespace resilience {

/// Used by one thread; it may go at any time, whatever the device does.
class Pending {
public:
    /// Called exactly once, when the request has ended, with 0 or an errno;
    /// `late`: it had been left behind.  The rules of a Completion.  It comes
    /// before wait_until() returns the answer, and a call that is late comes
    /// after wait_until() has said so.
    using Ended = std::function<void(int error, bool late)>;

    /// Submits a copy of `request`, which is not needed any more afterwards;
    /// the data of a write are copied, and a read needs no memory of its own.
    explicit Pending(Device& device, const Request& request, Ended ended = {},
                     Clock& clock = real_clock());
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    /// Leaves the request behind, if it has not been answered.
    ~Pending();

    /// Waits for the answer: 0 or an errno.  nullopt if there was none by
    /// `deadline`: it is left behind then, for good.
    std::optional<int> wait_until(TimePoint deadline);

    // ---- once wait_until() has returned an answer

    /// What was read.
    std::span<const std::byte> data() const;
    /// The answer to Op::extents.
    ExtentList take_extents();
    /// When the answer came.
    TimePoint answered_at() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace resilience
