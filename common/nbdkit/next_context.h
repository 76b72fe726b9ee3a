// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The one shared context through which a filter uses its `next` without any
// client: opened in the serving process, kept for good, used by all threads.
//
// What the plugin may do wrong decides the form.  Opening it may fail now and
// work later (its server is being restarted), or hang; so a thread of its own
// opens it, again and again, and everybody else only looks at `link()`.  The
// same thread closes it in the end, because closing may hang as well, and it
// lives for as long as the context does, because a process that a plugin
// starts dies with the thread that started it (PR_SET_PDEATHSIG is per
// thread).  A call that hangs keeps its thread for ever: stop() waits for its
// limit and leaves threads and context behind.  That is why the object is
// always held by a shared_ptr, of which each thread has one.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/nbdkit/next_calls.h"

namespace resilience {

/// Safe to use from any thread.
class SharedNext : public std::enable_shared_from_this<SharedNext> {
public:
    /// `expected` is what the probe found: a plugin that comes back with
    /// another size is not let in.  `name` is the filter's, for messages.
    SharedNext(std::string name, nbdkit_backend* backend, NextFacts expected);
    SharedNext(const SharedNext&) = delete;
    SharedNext& operator=(const SharedNext&) = delete;
    ~SharedNext() = default;

    /// Starts opening, in the serving process, and waits until that has worked
    /// or failed, at most `limit`.  If it has not worked the link is down, the
    /// attempts go on each second, and the first that works makes it `returned`.
    void start(std::chrono::milliseconds limit);

    /// No more requests; closes the context once the last one has ended.
    /// Waits at most `limit` for that.
    void stop(std::chrono::milliseconds limit);

    Link link() const;
    std::string link_error() const;  ///< empty if the link is up
    void resume();                   ///< returned -> up

    /// Carries `request` out on the calling thread, however long it takes.
    /// ENOTCONN if the link is not up, ESHUTDOWN after stop().
    int execute(Request& request);

private:
    class Use;

    void serve();
    void open_until_done(std::unique_lock<std::mutex>& lock);
    nbdkit_next* open(NextFacts& facts, std::string& error) const;

    const std::string name_;
    nbdkit_backend* const backend_;
    const NextFacts expected_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;  ///< any of what follows
    nbdkit_next* context_ = nullptr;
    NextFacts facts_;                  ///< of context_
    Link link_ = Link::down;
    std::string error_ = "not started yet";
    unsigned users_ = 0;               ///< requests under way
    bool tried_ = false;               ///< the first attempt to open has ended
    bool late_ = false;                ///< start() has reported failure
    bool stopping_ = false;
    bool ended_ = false;               ///< the thread has nothing more to do
    std::thread thread_;
};

}  // namespace resilience
