// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/device/early_read.h"
#include "common/device/open_options.h"
#include "common/nbd/nbd_connection.h"
#include "common/nbd/nbd_connector.h"
#include "common/nbd/nbd_loop.h"
#include "common/nbd/nbd_progress.h"
#include "common/nbd/nbd_state.h"
#include "common/nbd/nbd_target.h"
#include "common/nbd/server_process.h"

namespace resilience {

/// The link of one device to its server: makes it, and makes it again whenever
/// it is lost, for ever, on a thread of its own.
///
/// It is shared with that thread, which may hang in the resolver of host names
/// and be left behind.  All members may be called from any thread.
class NbdLink : public std::enable_shared_from_this<NbdLink> {
public:
    /// `expected` is what the server said when it was probed; `probed`, if it is not
    /// null, the connection over which it did.  It is used if it is still there.
    NbdLink(NbdTarget target, OpenOptions options, const NbdProperties& expected,
            NbdHandle probed);

    /// See Device::start(): waits for the first attempt, at most the timeout.
    void start();
    /// See Device::stop().
    void stop(std::chrono::milliseconds limit);

    /// Before start(): reads over the connection of the probe.  False: there is none (any
    /// more), or it did not answer by `deadline`.
    bool read_early(std::vector<EarlyRead>& reads, TimePoint deadline);

    Link link() const;
    std::string link_error() const;
    void resume();

    /// The connection if it is up; else null, and `error` says why (an errno).
    std::shared_ptr<NbdConnection> connection(int& error) const;
    /// Over all connections.
    const std::shared_ptr<NbdProgress>& progress() const { return progress_; }
    /// The process id of a command's server; 0 if there is none.
    pid_t server_pid() const;

private:
    void run();
    void attempt();
    NbdAttempt connect();
    std::string accept(NbdHandle handle, const NbdProperties& properties);
    void fail(const std::string& why);
    void wait_until_lost(TimePoint& connected_at);
    bool wait_backoff();
    void on_lost(const NbdConnection* connection, const std::string& reason);
    bool change(NbdEvent event);
    void end_server(ServerProcess& server);
    std::chrono::milliseconds server_limit();

    const NbdTarget target_;
    const OpenOptions options_;
    const NbdProperties expected_;
    const std::shared_ptr<NbdProgress> progress_;
    const EventFd cancel_;  // readable when stop() was called

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    NbdState state_ = NbdState::idle;
    std::string error_ = "not started";
    std::shared_ptr<NbdConnection> connection_;  // in `up` and `returned`
    std::shared_ptr<NbdLoop> loop_;
    std::thread thread_;
    TimePoint stop_deadline_{};
    NbdHandle probed_;               // until start() or stop()
    bool first_attempt_ = true;      // start() still waits for it
    bool thread_ended_ = false;
    pid_t server_pid_ = 0;

    // The connector thread's own.
    ServerProcess server_;
    unsigned failures_ = 0;  // in a row; sets the back-off
};

}  // namespace resilience
