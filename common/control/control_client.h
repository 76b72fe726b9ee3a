// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/control/json_stream.h"
#include "common/control/qmp.h"
#include "common/core/unique_fd.h"

namespace resilience {

/// One connection: what came and waits to be carried out, what was said and
/// waits to be sent, and the thread that carries commands out.
///
/// The I/O thread calls all members but post(); the command thread is inside.
/// It holds a reference to the object, since a command may outlast the
/// connection, and even the server.
class ControlClient : public std::enable_shared_from_this<ControlClient> {
public:
    /// `wake` makes the I/O thread look at all clients again; any thread.
    ControlClient(UniqueFd fd, const CommandTable& table, std::size_t message_bytes,
                  std::size_t queue_bytes, std::function<void()> wake);
    ~ControlClient();

    int fd() const { return fd_.get(); }
    /// What to poll for.
    short wanted() const;
    /// Reads once, and hands what is complete to the command thread.
    void read_some();
    /// Sends what the socket takes.
    void write_some();

    /// Queues an event, if the client has negotiated.  A client whose queue
    /// is full is given up: it has stopped reading, and memory is not endless.
    void post(const std::string& line);

    /// Whether the connection is to be closed now.
    bool over() const;
    /// Closes it.  A command that runs goes on; those that wait are dropped.
    void close();
    /// Drops the commands that wait; for the end of the server.
    void take_no_more();
    bool busy() const;

    /// Joins the command thread if it has ended; returns whether it has.
    bool reap();

private:
    static void run(const std::shared_ptr<ControlClient>& self);
    void work();
    bool ensure_thread();
    void queue_line(const std::string& line);
    bool may_work() const;

    UniqueFd fd_;
    JsonStream stream_;
    QmpSession session_;  ///< the command thread's
    const std::size_t queue_bytes_;
    const std::function<void()> wake_;
    std::thread thread_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<StreamItem> inbox_;
    std::string outbox_;
    bool subscribed_ = false;   ///< gets events
    bool input_ended_ = false;  ///< the client will say no more, or may not
    bool hung_up_ = false;      ///< nobody is there to read anything
    bool busy_ = false;         ///< a command is being carried out
    bool finished_ = true;      ///< there is no thread, or it is about to return
};

}  // namespace resilience
