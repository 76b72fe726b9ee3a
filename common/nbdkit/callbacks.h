// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the filter shim and the plugin shim have in common: everything between
// a callback's plain arguments and a Device.  No type of nbdkit but its
// opaque list of extents is seen here; the two shims only differ in how they
// give results back (a filter through `*err`, a plugin through
// nbdkit_set_error) and in what they are given.
//
// This is the boundary that no exception crosses.  Every function is noexcept;
// what is thrown below becomes a line in the log and EIO (ENOMEM when memory
// has run out), and the server lives on.

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "common/device/device.h"
#include "common/nbdkit/module.h"

struct nbdkit_exports;
struct nbdkit_extents;

namespace resilience::shim {

/// One client's connection: what nbdkit keeps as our handle.
struct Connection {
    std::shared_ptr<Device> device;
    Capabilities capabilities;  ///< asked once: nbdkit's asserts want constant answers
    bool read_only = false;     ///< the device is not writable, or nbdkit -r
};

/// A connection to `device`, opened with or without nbdkit's -r.
Connection connect(std::shared_ptr<Device> device, bool read_only);

/// Tells nbdkit which exports `module` has.  Returns 0, or -1 after
/// nbdkit_error.
int list_exports(const Module& module, nbdkit_exports* exports) noexcept;

/// The connections of a server.  nbdkit does not call `.close` for those that
/// are alive when it quits, so they are owned here and freed with the module.
/// `Handle` is a Connection or has one as its base.
template <typename Handle>
class Connections {
public:
    /// The number of the next connection: 1, 2, ...
    std::uint32_t next_number() { return ++opened_; }

    Handle* add(Handle handle)
    {
        const std::lock_guard lock(mutex_);
        return &all_.emplace_back(std::move(handle));
    }
    void remove(Handle* handle) noexcept
    {
        std::list<Handle> gone;  // ends outside the lock: a device may take its time
        const std::lock_guard lock(mutex_);
        for (auto each = all_.begin(); each != all_.end(); ++each) {
            if (&*each == handle) {
                gone.splice(gone.end(), all_, each);
                break;
            }
        }
    }

private:
    std::atomic<std::uint32_t> opened_{0};
    std::mutex mutex_;
    std::list<Handle> all_;
};

/// The lines of `--help` about M's parameters.  The text lives for ever, as nbdkit
/// wants it.
template <typename M>
const char* config_help(Form form)
{
    return (new std::string(M::make(form)->parameters().help()))->c_str();
}

/// Routes common/core/log to nbdkit's log: errors and debug messages through
/// nbdkit, warnings and notices to the same place.  Call it when the module is
/// loaded: nbdkit has not gone to the background then.
void install_log_sink() noexcept;

/// Runs a step of the set-up.  Returns 0, or -1 after nbdkit_error with the
/// text of whatever was thrown; `where` names the callback, for exceptions
/// that are not meant for people.
int set_up(const char* where, const std::function<void()>& step) noexcept;

// Answers to nbdkit's questions about a connection.
std::int64_t get_size(const Connection& c) noexcept;
int can_write(const Connection& c) noexcept;
int can_flush(const Connection& c) noexcept;
int can_trim(const Connection& c) noexcept;
int can_zero(const Connection& c) noexcept;  ///< a filter's NBDKIT_ZERO_*
int can_fast_zero(const Connection& c) noexcept;
int can_extents(const Connection& c) noexcept;
int can_fua(const Connection& c) noexcept;
int can_multi_conn(const Connection& c) noexcept;
int can_cache(const Connection& c) noexcept;
int is_rotational(const Connection& c) noexcept;

/// The device's limits in the form that nbdkit accepts: it refuses the whole
/// connection when a value is no power of two or out of range.
BlockLimits block_size(const Connection& c) noexcept;

// Requests.  Each returns 0 or an errno that NBD carries (see errno_map.h);
// `flags` are NBDKIT_FLAG_*.
int read(const Connection& c, void* buffer, std::uint32_t count, std::uint64_t offset) noexcept;
int write(const Connection& c, const void* buffer, std::uint32_t count, std::uint64_t offset,
          std::uint32_t flags) noexcept;
int flush(const Connection& c) noexcept;
int trim(const Connection& c, std::uint32_t count, std::uint64_t offset,
         std::uint32_t flags) noexcept;
int zero(const Connection& c, std::uint32_t count, std::uint64_t offset,
         std::uint32_t flags) noexcept;
int cache(const Connection& c, std::uint32_t count, std::uint64_t offset) noexcept;
int extents(const Connection& c, std::uint32_t count, std::uint64_t offset, std::uint32_t flags,
            nbdkit_extents* answer) noexcept;

}  // namespace resilience::shim
