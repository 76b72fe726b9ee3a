// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A block device is an object, and an engine is a device over other devices.
//
// This interface is the one idea that carries the project.  A quorum is a
// Device over N Devices; a Device is a local file, an NBD server, or whatever
// nbdkit has below a filter.  Engines therefore know no nbdkit, and are tested
// with simulated devices in place of real ones.
//
// There are three ways to have a Request carried out, because a hand-off to
// another thread costs more than a cached read itself:
//
//   execute_now  on the caller's thread, but only if that cannot wait;
//   submit       asynchronously; the caller may stop waiting at any time;
//   execute      on the caller's thread, for as long as it takes.
//
// Errors of a device are values (0 or a positive errno), not exceptions: a
// quorum votes on them.  Exceptions are for set-up, where a person must read a
// message (see SetupError).

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/core/setup_error.h"
#include "common/device/request.h"

namespace resilience {

/// What a device can do natively.  Whatever is false here is still accepted by
/// the device (it emulates zero, FUA and so on) unless the comment says other.
struct Capabilities {
    bool writable = true;    ///< false: write, zero and trim fail with EROFS
    bool rotational = false;
    bool flush = true;       ///< false: flush succeeds and does nothing
    bool fua = false;        ///< native; else a write is followed by a flush
    bool zero = false;       ///< native; else zeroes are written
    bool fast_zero = false;  ///< zero with fast_zero can succeed; else it is always ENOTSUP
    bool trim = false;       ///< native; else trim succeeds and does nothing
    bool extents = false;    ///< native; else the whole range is reported as data
    bool cache = false;      ///< native; else cache succeeds and does nothing
    bool multi_conn = true;  ///< a flush covers the writes of all users of this object
    /// The other side can lose writes that were not flushed and still come
    /// back (a server that restarts).  False for a local file.
    bool forgets_unflushed = false;
};

/// NBD's block-size constraints in bytes.  A device takes any request that is
/// a multiple of `minimum`; 0 means no limit is known.
struct BlockLimits {
    std::uint32_t minimum = 1;
    std::uint32_t preferred = 0;
    std::uint32_t maximum = 0;
};

/// Whether the device is reachable.
///
/// A link that was lost and has been made again stays `returned`, and serves
/// nothing, until its user has called resume(): the user first has to note what
/// the other side may have lost meanwhile.
enum class Link : std::uint8_t { up, down, returned };

/// How far the other side has come with the data that are on their way to it or from it.
/// A line that is slow and one that is dead differ in nothing else.
struct Progress {
    std::uint64_t asked = 0;     ///< bytes, since the device was opened
    std::uint64_t answered = 0;  ///< of those; also what ended without an answer
    std::chrono::steady_clock::time_point at{};  ///< when something was answered last
};

/// Called exactly once when a submitted request has ended, with 0 or a
/// positive errno, on any thread, perhaps before submit() returns.  Must not
/// block, must not throw, and must not call into the device.
using Completion = std::function<void(int error)>;

/// A block device.  All members are safe to call from any thread at any time
/// unless their comment says otherwise.
class Device {
public:
    Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    virtual ~Device() = default;

    /// What the user calls this device: the child SPEC it was opened from.
    virtual std::string describe() const = 0;
    /// Bytes; fixed for the life of the object.
    virtual std::uint64_t size() const = 0;
    virtual Capabilities capabilities() const = 0;
    virtual BlockLimits block_limits() const { return {}; }

    /// Carries `request` out on the calling thread, waiting as long as it
    /// takes.  Returns 0 or a positive errno.  Only for callers that may hang.
    virtual int execute(Request& request) = 0;

    /// Starts `request`; `done` is called exactly once.  Never blocks on the
    /// other side.  The request's memory must be held by its `owner`.
    virtual void submit(std::shared_ptr<Request> request, Completion done) = 0;

    /// Carries `request` out if that is sure not to wait for a disk, a network
    /// or another process; else changes nothing and returns nullopt.
    virtual std::optional<int> execute_now(Request&) { return std::nullopt; }

    /// Whether execute_now() is worth asking for `op`; else go to submit().
    virtual bool immediate(Op op) const
    {
        (void)op;
        return false;
    }

    virtual Link link() const { return Link::up; }
    /// Why the link is not up, for people; empty when it is.
    virtual std::string link_error() const { return {}; }
    /// Accepts a `returned` link; from now on requests are served again.
    virtual void resume() {}

    /// Of a device that asks for large requests piece by piece; all 0 of others.
    virtual Progress progress() const { return {}; }

    /// While the link is `returned`: whether this can be what was there before.  False:
    /// something else is sure to be there, or may be (another file of that name), so
    /// nothing is known of its content, whatever had been flushed.
    virtual bool may_be_as_before() const { return true; }

    /// Drops what this machine caches of the device, so that the next read
    /// asks the medium.  0, ENOTSUP where there is no such cache, or an errno.
    virtual int invalidate_cache() { return 95 /* ENOTSUP */; }

    /// Starts threads and connections.  Called once, in the process that
    /// serves (threads do not survive a fork); before it only size(),
    /// capabilities(), block_limits() and describe() may be called.
    virtual void start() {}
    /// Ends them.  Requests in flight end with an error; waits at most
    /// `limit`, after which threads that hang are left behind, not joined.
    virtual void stop(std::chrono::milliseconds limit) { (void)limit; }
};

}  // namespace resilience
