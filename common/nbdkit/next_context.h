// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The shared context through which a filter uses its `next` without any client:
// opened in the serving process, used by all threads, and opened anew when the
// plugin has lost what it serves.
//
// What the plugin may do wrong decides the form.  Opening it may fail now and
// work later (its server is being restarted), or hang; so a thread of its own
// opens it, again and again, and everybody else only looks at `link()`.  The
// same thread closes it in the end, because closing may hang as well, and it
// lives for as long as the contexts do, because a process that a plugin
// starts dies with the thread that started it (PR_SET_PDEATHSIG is per
// thread).  A call that hangs keeps its thread for ever: stop() waits for its
// limit and leaves threads and contexts behind.  That is why the object is
// always held by a shared_ptr, of which each thread has one.
//
// A plugin whose server has died fails each request of a context from then on,
// and says so with whatever error number it has: nbdkit's nbd plugin with EINVAL,
// others with EIO, as for a bad sector.  So a request that fails makes the thread
// look, at most once a second: it reads a block through the context, and if that
// fails, through a new one.  If the new one is better it takes the old one's
// place, and the link is `returned`: what was not flushed may be lost.  The request
// that failed waits for that, since ENOTCONN says what EINVAL does not: that it may
// still be carried out.

#include <chrono>
#include <condition_variable>
#include <list>
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
    /// attempts go on, first after a second, later after eight, and the first that
    /// works makes it `returned`.
    void start(std::chrono::milliseconds limit);

    /// No more requests; closes the contexts once the last one has ended.
    /// Waits at most `limit` for that.
    void stop(std::chrono::milliseconds limit);

    Link link() const;
    std::string link_error() const;  ///< empty if the link is up
    void resume();                   ///< returned -> up

    /// Carries `request` out on the calling thread, however long it takes.
    /// ENOTCONN if the link is not up, ESHUTDOWN after stop().
    int execute(Request& request);

private:
    struct Context {
        nbdkit_next* next = nullptr;
        NextFacts facts;
        unsigned users = 0;  ///< requests under way
    };
    class Use;

    void serve();
    void turn(std::unique_lock<std::mutex>& lock);
    void open_until_done(std::unique_lock<std::mutex>& lock);
    void look(std::unique_lock<std::mutex>& lock);
    void compare_with_another(std::unique_lock<std::mutex>& lock,
                              const std::shared_ptr<Context>& old, int error);
    int suspect(const std::shared_ptr<Context>& context, int error);
    void close_retired(std::unique_lock<std::mutex>& lock);
    void lose(const std::string& error);
    void use(std::shared_ptr<Context> context);
    std::shared_ptr<Context> open(std::string& error) const;
    std::string what_is_missing(const NextFacts& facts) const;
    static int read_a_block(const Context& context);
    static void close(nbdkit_next* next);

    const std::string name_;
    nbdkit_backend* const backend_;
    const NextFacts expected_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;  ///< any of what follows
    std::shared_ptr<Context> context_;
    std::list<std::shared_ptr<Context>> retired_;  ///< to be closed when unused
    Link link_ = Link::down;
    std::string error_ = "not started yet";
    bool suspected_ = false;           ///< a request has failed: look()
    unsigned looks_ = 0;               ///< how often look() has come to an end
    bool pausing_ = false;             ///< that was within the last second
    bool tried_ = false;               ///< the first attempt to open has ended
    bool late_ = false;                ///< the link has been down, as everybody could see
    bool stopping_ = false;
    bool ended_ = false;               ///< the thread has nothing more to do
    std::thread thread_;
};

}  // namespace resilience
