// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <thread>

#include "common/nbd/nbd_connection.h"
#include "common/thread/event_fd.h"

namespace resilience {

/// The one thread that reads the replies of all NBD connections of the
/// process (a loop per connection was measured: it gains nothing).  It never
/// blocks on a server.  It exists while somebody holds the NbdLoop.
class NbdLoop {
public:
    /// The process's loop; made on first use, so never before a fork.
    static std::shared_ptr<NbdLoop> shared();

    NbdLoop();
    NbdLoop(const NbdLoop&) = delete;
    NbdLoop& operator=(const NbdLoop&) = delete;
    /// Ends the thread.  Connections that it still has are dropped.
    ~NbdLoop();

    /// Serves `connection` until it is lost.
    void add(std::shared_ptr<NbdConnection> connection);
    /// What connections wake the loop with.
    const std::shared_ptr<EventFd>& waker() const { return waker_; }
    /// Whether the caller runs on the loop's thread (in a completion).
    bool on_loop_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

private:
    struct State;
    std::shared_ptr<EventFd> waker_;
    std::shared_ptr<State> state_;
    std::thread thread_;
};

}  // namespace resilience
