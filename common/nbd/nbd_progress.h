// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>

#include "common/device/device.h"
#include "common/nbd/nbd_operation.h"
#include "common/thread/clock.h"

namespace resilience {

/// The Progress of one device, over all its connections.  Safe to use from any thread.
class NbdProgress {
public:
    /// `server` is what the device has been opened with: it says what carries data.
    explicit NbdProgress(const NbdProperties& server) : writes_zeroes_(!server.zero) {}

    /// Bytes that a request sends or brings; 0 of what is only a command.
    std::uint64_t payload(const Request& request) const
    {
        const bool carries = request.op == Op::read || request.op == Op::write ||
                             (request.op == Op::zero && writes_zeroes_);
        return carries ? request.length : 0;
    }

    void asked(const Request& request) { asked_.fetch_add(payload(request)); }
    /// A request, or a piece of one, has ended; `answered`: by an answer.
    void ended(const Request& request, bool answered)
    {
        if (answered) {
            at_.store(real_clock().now().time_since_epoch().count());
        }
        forgotten(payload(request));
    }
    /// So many of the bytes that were asked will not be answered.
    void forgotten(std::uint64_t bytes) { answered_.fetch_add(bytes); }

    Progress get() const
    {
        // In this order: what was answered had been asked.
        const std::uint64_t answered = answered_.load();
        return {asked_.load(), answered, TimePoint(TimePoint::duration(at_.load()))};
    }

private:
    const bool writes_zeroes_;
    std::atomic<std::uint64_t> asked_{0};
    std::atomic<std::uint64_t> answered_{0};
    std::atomic<TimePoint::rep> at_{0};
};

}  // namespace resilience
