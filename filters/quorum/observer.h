// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/child_state.h"
#include "common/core/dirty_bitmap.h"
#include "common/device/request.h"
#include "common/thread/clock.h"

namespace resilience::quorum {

class Child;

/// What a child did wrong.
enum class Fault : std::uint8_t { read, write, flush };

std::string_view to_string(Fault fault);

/// Where a child's data differ from the winner's.
struct Mismatch {
    std::uint64_t first_difference = 0;   ///< byte of the device
    std::uint64_t differing_sectors = 0;  ///< of 512 bytes
    /// Of those: zeroes won against data.  Nothing repairs that by itself.
    std::uint64_t zeroes_against_data = 0;
};

/// A child that failed, or lost a vote.
struct BadReport {
    Fault fault = Fault::read;
    ByteRange range;                    ///< of the request; empty for flush
    int error = 0;                      ///< errno; 0: its data lost the vote
    std::optional<Mismatch> mismatch;   ///< where it lost the vote
};

/// A child has become slow in an operation, or is so no more.
struct SpeedReport {
    Op op = Op::read;  ///< read or write
    bool slow = false;
    std::chrono::nanoseconds latency{};  ///< its own, typically
    std::chrono::nanoseconds peers{};    ///< the others', in the middle
};

/// Told what a quorum wants people to know.  Called from any thread, without
/// locks held; must not block.
class Observer {
public:
    virtual ~Observer() = default;
    virtual void report_bad(const Child&, const BadReport&) {}
    /// Too few children agreed: the request failed.
    virtual void failure(ByteRange) {}
    virtual void state_changed(const Child&, ChildState /*from*/, ChildState /*to*/,
                               const std::string& /*reason*/)
    {
    }
    virtual void speed_changed(const Child&, const SpeedReport&) {}
    virtual void resync_started(const Child&, std::uint64_t /*bytes*/) {}
    virtual void resync_completed(const Child&, std::uint64_t /*bytes*/) {}
    /// A range could not be copied, because too few other children agree on it.
    virtual void resync_blocked(const Child&, ByteRange) {}
    /// It is not the disk that was left there, and is not used.
    virtual void foreign(const Child&, const std::string& /*why*/) {}
    virtual void child_added(const Child&) {}
    virtual void child_removed(const Child&) {}
    /// Another server has taken the set over: this one serves nothing any more.
    virtual void fenced() {}
    /// Called every now and then, for what has to be done in time.
    virtual void housekeep(TimePoint) {}
    /// blkverify mode: the two children differ at this byte.  If it returns,
    /// the read fails.
    virtual void blkverify_mismatch(ByteRange, std::uint64_t /*first_difference*/) {}
};

}  // namespace resilience::quorum
