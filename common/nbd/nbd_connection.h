// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <libnbd.h>

#include "common/core/unique_fd.h"
#include "common/nbd/nbd_operation.h"
#include "common/nbd/nbd_progress.h"
#include "common/thread/clock.h"
#include "common/thread/event_fd.h"

namespace resilience {

struct CloseNbdHandle {
    void operator()(nbd_handle* handle) const noexcept { nbd_close(handle); }
};
using NbdHandle = std::unique_ptr<nbd_handle, CloseNbdHandle>;

/// libnbd's last error on this thread, without the name of the C function.
std::string nbd_error_text();

/// One established connection.  It lives until its server, the network or
/// close() ends it, and is never used again after that.
///
/// submit() may be called from any thread.  Replies are read by the loop's
/// thread alone.
class NbdConnection {
public:
    /// `handle` is connected; `waker` makes the loop look at it again.
    NbdConnection(NbdHandle handle, const NbdProperties& properties,
                  std::shared_ptr<EventFd> waker, std::shared_ptr<NbdProgress> progress);
    NbdConnection(const NbdConnection&) = delete;
    NbdConnection& operator=(const NbdConnection&) = delete;
    /// Whatever is in flight ends with ENOTCONN.
    ~NbdConnection();

    /// Starts `request`.  Never waits for the server.  `done` gets ENOTCONN
    /// when the connection ends before the answer.
    void submit(std::shared_ptr<Request> request, Completion done);

    /// Ends the connection: lets what is in flight end and says good-bye if
    /// that can be done in half of the time until `deadline`, and breaks it
    /// else.  The loop's thread must run, and must not be the caller.
    void close(TimePoint deadline);
    /// Breaks it at once; the loop will notice.
    void abort() noexcept;

    /// What the loop calls when the connection has ended, on its thread.
    void on_lost(std::function<void(const std::string& reason)> call) { lost_ = std::move(call); }

    // The loop's side, on its thread.
    int fd() const { return fd_.get(); }
    /// poll() events to wait for; 0: the connection has ended.
    short wanted_events() const;
    void handle_events(short events);
    /// Tells everybody that the connection has ended.
    void declare_lost();
    /// TCP: breaks the connection if the other machine is gone.
    void check_peer();
    bool is_tcp() const { return tcp_; }

private:
    class Ended;
    void issue(NbdOperation* operation, Ended& ended);
    void settle(Ended& ended);
    void finish(NbdOperation* operation);
    bool wait_lost(TimePoint deadline);

    NbdHandle handle_;
    const NbdProperties properties_;
    const std::shared_ptr<EventFd> waker_;
    const std::shared_ptr<NbdProgress> progress_;
    UniqueFd fd_;  // our own duplicate of the handle's socket
    bool tcp_ = false;
    std::atomic<bool> closing_{false};  // libnbd refuses what comes after good-bye with EINVAL
    std::string reason_;  // loop thread only
    std::function<void(const std::string&)> lost_;

    std::mutex mutex_;
    std::condition_variable lost_changed_;
    bool is_lost_ = false;
};

}  // namespace resilience
