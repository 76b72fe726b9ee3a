// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/child/lasting_device.h"
#include "common/child/open_child.h"
#include "common/thread/clock.h"

namespace resilience {

/// What a LastingDevice shares with its threads, which may hang and be left behind.
///
/// Whoever calls what is open counts himself as a user first and looks for it then
/// (enter()); who wants to close it hides it first and looks for users then.  So one
/// of the two sees the other, without a lock on the way of each request.  An NBD
/// device is never closed before the end, so nobody is counted there.
class LastingState {
public:
    /// `opened` may be nothing: then `why` says why.
    LastingState(const ChildSpec& spec, const OpenOptions& options,
                 const ExpectedDevice& expected, OpenedChild opened, std::string why);

    const ChildSpec spec;
    const bool is_path;  ///< a file or block device: watched, and opened again
    const ExpectedDevice expected;

    // ---- requests

    /// What serves requests now, or null: then refusal() says why.  `users` are
    /// counted, of a path only, until each has called leave().
    Device* enter(int users)
    {
        if (is_path) {
            users_.fetch_add(users);
        }
        return serving_.load();
    }
    void leave(int users)
    {
        if (is_path) {
            users_.fetch_sub(users, std::memory_order_release);
        }
    }
    int refusal() const;
    /// See Device::immediate(); kept here because nothing need be counted to ask it.
    bool immediate(Op op) const
    {
        return (immediate_.load(std::memory_order_relaxed) & bit(op)) != 0;
    }
    /// Whether what serves has learned meanwhile that it cannot do `op` at once.
    void ask_again(const Device& device, Op op);

    // ---- the link; see LastingDevice

    Link link() const;
    std::string link_error() const;
    bool is_as_before() const;
    void resume();

    /// What is open; empty: it is away.
    OpenedChild opened() const
    {
        const std::lock_guard lock(mutex_);
        return opened_;
    }

    /// Of the user's thread.
    void start();
    void stop(std::chrono::milliseconds limit);
    /// Whether there is work for turn().
    bool needs_worker() const;

    /// The worker's: looks at what is open, opens what is not.  May hang.
    std::optional<TimePoint> turn();
    /// The watchdog's: whether turn() hangs.
    TimePoint watch();

private:
    static unsigned bit(Op op) { return 1U << static_cast<unsigned>(op); }

    void look();
    bool let_go();
    void try_to_open();
    void accept(OpenedChild child);
    void serve();
    void lose(const std::string& why, bool whole);
    void failed(const std::string& why);

    const OpenOptions options_;

    std::atomic<int> users_{0};
    std::atomic<Device*> serving_{nullptr};  ///< opened_.device, if it is up and started
    std::atomic<unsigned> immediate_{0};     ///< a bit for each Op
    std::atomic<Link> link_;
    std::atomic<bool> started_{false};
    std::atomic<bool> stopped_{false};

    mutable std::mutex mutex_;
    OpenedChild opened_;         ///< with the link down: lost, but perhaps still in use
    std::string loss_;           ///< how it was lost last; empty: it was never there
    std::string error_;          ///< empty while it is up
    std::optional<FileIdentity> identity_;  ///< of what was up last
    bool whole_ = true;          ///< it has not been seen shorter since then
    bool as_before_ = false;
    std::optional<TimePoint> busy_since_;  ///< when the turn began that is not over

    // The worker's own.
    unsigned failures_ = 0;  ///< in a row
    bool warned_ = false;
};

}  // namespace resilience
