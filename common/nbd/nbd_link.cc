// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/nbd_link.h"

// The connector thread goes round: attempt, serve until lost, back off.  It
// lives from start() to stop(), also while there is nothing to do, because the
// server that a command has started ends with the thread that started it
// (PR_SET_PDEATHSIG belongs to threads; nbdkit 1.32 sets it by itself).
//
// What the other side may do meanwhile: not answer (the attempt has a
// deadline), answer and end at once (the back-off grows until a connection has
// lasted), come back as another disk (it is not accepted, and asked again), or
// come back having forgotten what was not flushed (the link stays `returned`
// until the user has noted that).

#include <algorithm>
#include <cerrno>
#include <random>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/setup_error.h"
#include "common/device/open_options.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_backoff{100};
constexpr milliseconds longest_backoff{10000};
// A connection that lasted so long ends a row of failures.
constexpr milliseconds lasting{5000};
constexpr milliseconds goodbye_limit{1000};
constexpr milliseconds server_end_limit{2000};
constexpr milliseconds by_itself_limit{20};

/// 100 ms, 200 ms, ... 10 s, less up to a half of it by chance, so that many
/// clients do not come back to a restarted server in step.
milliseconds backoff(unsigned failures)
{
    thread_local std::minstd_rand random{std::random_device{}()};
    const unsigned doublings = std::min(failures > 0 ? failures - 1 : 0, 7U);
    const auto most = std::min(first_backoff * (1 << doublings), longest_backoff);
    std::uniform_int_distribution<milliseconds::rep> range(most.count() / 2, most.count());
    return milliseconds(range(random));
}

}  // namespace

NbdLink::NbdLink(NbdTarget target, OpenOptions options, const NbdProperties& expected,
                 NbdHandle probed)
    : target_(std::move(target)), options_(options), expected_(expected),
      progress_(std::make_shared<NbdProgress>(expected)), probed_(std::move(probed))
{
}

bool NbdLink::change(NbdEvent event)
{
    const auto to = next_state(state_, event);
    if (!to) {
        return false;
    }
    log::debug("{}: {}: {} -> {}{}{}", target_.text, to_string(event), to_string(state_),
               to_string(*to), error_.empty() ? "" : ": ", error_);
    state_ = *to;
    changed_.notify_all();
    return true;
}

void NbdLink::start()
{
    std::unique_lock lock(mutex_);
    if (state_ != NbdState::idle) {
        return;
    }
    error_ = "not connected yet";
    try {
        loop_ = NbdLoop::shared();
        thread_ = start_thread("nbd-connect", [self = shared_from_this()] { self->run(); });
    } catch (const std::exception& error) {
        error_ = fmt::format("cannot start a thread or its eventfd: {}", error.what());
        log::error("{}: {}", target_.text, error_);
        return;
    }
    change(NbdEvent::start);
    changed_.wait_for(lock, options_.timeout, [this] { return state_ != NbdState::connecting; });
    first_attempt_ = false;
}

void NbdLink::run()
{
    for (;;) {
        attempt();
        TimePoint connected_at = TimePoint::max();
        wait_until_lost(connected_at);
        end_server(server_);
        if (connected_at != TimePoint::max() && real_clock().now() - connected_at >= lasting) {
            failures_ = 0;
        }
        ++failures_;
        if (!wait_backoff()) {
            break;
        }
    }
    const std::lock_guard lock(mutex_);
    thread_ended_ = true;
    changed_.notify_all();
}

bool NbdLink::read_early(std::vector<EarlyRead>& reads, TimePoint deadline)
{
    NbdHandle handle;
    {
        const std::lock_guard lock(mutex_);
        handle = std::move(probed_);
    }
    if (!handle || !read_nbd(handle.get(), reads, deadline)) {
        return false;  // it is closed; start() connects again
    }
    const std::lock_guard lock(mutex_);
    probed_ = std::move(handle);
    return true;
}

NbdAttempt NbdLink::connect()
{
    NbdAttempt result;
    {
        const std::lock_guard lock(mutex_);
        result.handle = std::move(probed_);
    }
    if (result.handle && is_connected_nbd(result.handle.get())) {
        result.properties = expected_;
        return result;
    }
    return connect_nbd(target_, options_.allocation_depth, real_clock().now() + options_.timeout,
                       cancel_.get());
}

void NbdLink::attempt()
{
    NbdAttempt result = connect();
    if (result.error.empty()) {
        server_ = std::move(result.server);
        result.error = incompatibility(expected_, result.properties);
        if (result.error.empty()) {
            result.error = accept(std::move(result.handle), result.properties);
        }
        if (result.error.empty()) {
            return;
        }
        disconnect_nbd(std::move(result.handle), real_clock().now() + goodbye_limit);
    }
    fail(result.error);
}

void NbdLink::fail(const std::string& why)
{
    const std::lock_guard lock(mutex_);
    if (state_ != NbdState::stopped) {
        error_ = fmt::format("{}: {}", describe_nbd_target(target_), why);
        change(NbdEvent::failed);
    }
}

std::string NbdLink::accept(NbdHandle handle, const NbdProperties& properties)
{
    std::unique_lock lock(mutex_);
    if (state_ != NbdState::connecting) {
        lock.unlock();
        disconnect_nbd(std::move(handle), real_clock().now() + goodbye_limit);
        return "stopped";
    }
    std::shared_ptr<NbdConnection> made;
    try {
        made = std::make_shared<NbdConnection>(std::move(handle), properties, loop_->waker(),
                                               progress_);
    } catch (const SetupError& error) {
        return error.what();
    }
    made->on_lost([weak = weak_from_this(), raw = made.get()](const std::string& reason) {
        if (const auto self = weak.lock()) {
            self->on_lost(raw, reason);
        }
    });
    connection_ = made;
    server_pid_ = server_.pid();
    error_ = first_attempt_ ? ""
                            : fmt::format("{}: connected again, not yet accepted",
                                          describe_nbd_target(target_));
    change(first_attempt_ ? NbdEvent::connected : NbdEvent::reconnected);
    loop_->add(std::move(made));
    return {};
}

void NbdLink::on_lost(const NbdConnection* connection, const std::string& reason)
{
    std::shared_ptr<NbdConnection> dropped;  // closed after the lock is gone
    const std::lock_guard lock(mutex_);
    if (connection_.get() != connection) {
        return;
    }
    dropped = std::move(connection_);
    connection_ = nullptr;
    if (state_ != NbdState::stopped) {
        error_ = fmt::format("{}: {}", describe_nbd_target(target_), reason);
        change(NbdEvent::lost);
    }
}

void NbdLink::wait_until_lost(TimePoint& connected_at)
{
    std::unique_lock lock(mutex_);
    if (connection_) {
        connected_at = real_clock().now();
    }
    // No deadline: the loop tells, and so does stop().  After stop() the
    // connection is closed before the server is ended.
    changed_.wait(lock, [this] { return !connection_ && state_ != NbdState::up; });
}

bool NbdLink::wait_backoff()
{
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, backoff(failures_), [this] { return state_ == NbdState::stopped; });
    return change(NbdEvent::retry);
}

std::chrono::milliseconds NbdLink::server_limit()
{
    const std::lock_guard lock(mutex_);
    if (state_ != NbdState::stopped) {
        return server_end_limit;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(stop_deadline_ - real_clock().now());
    return std::clamp(left * 3 / 4, milliseconds(10), server_end_limit);
}

void NbdLink::end_server(ServerProcess& server)
{
    if (server.pid() == 0) {
        return;
    }
    // If it ended by itself, that is why the connection was lost.
    const bool by_itself = server.wait_exit(real_clock().now() + by_itself_limit);
    server.terminate(server_limit());
    const std::lock_guard lock(mutex_);
    server_pid_ = 0;
    if (by_itself && state_ == NbdState::backoff) {
        error_ = fmt::format("{}: it {}", describe_nbd_target(target_), server.exit_text());
    }
}

Link NbdLink::link() const
{
    const std::lock_guard lock(mutex_);
    return to_link(state_);
}

std::string NbdLink::link_error() const
{
    const std::lock_guard lock(mutex_);
    return error_;
}

void NbdLink::resume()
{
    const std::lock_guard lock(mutex_);
    if (state_ == NbdState::returned) {
        error_.clear();
        change(NbdEvent::resume);
    }
}

std::shared_ptr<NbdConnection> NbdLink::connection(int& error) const
{
    const std::lock_guard lock(mutex_);
    if (state_ == NbdState::up) {
        return connection_;
    }
    error = state_ == NbdState::stopped || state_ == NbdState::idle ? ESHUTDOWN : ENOTCONN;
    return nullptr;
}

pid_t NbdLink::server_pid() const
{
    const std::lock_guard lock(mutex_);
    return server_pid_;
}

void NbdLink::stop(std::chrono::milliseconds limit)
{
    const auto deadline = real_clock().now() + limit;
    std::unique_lock lock(mutex_);
    const bool was_idle = state_ == NbdState::idle;
    stop_deadline_ = deadline;
    error_ = "stopped";
    if (!change(NbdEvent::stop) || was_idle) {
        NbdHandle unused = std::move(probed_);
        lock.unlock();
        disconnect_nbd(std::move(unused), deadline);
        return;
    }
    cancel_.signal();
    const auto open = connection_;
    const auto loop = std::exchange(loop_, nullptr);
    const bool inside_loop = loop->on_loop_thread();
    lock.unlock();
    if (open && inside_loop) {
        open->abort();  // waiting here would be waiting for ourselves
    } else if (open) {
        open->close(real_clock().now() + limit / 2);
    }
    lock.lock();
    connection_ = nullptr;  // even if it hangs on in the loop: its server may be ended
    changed_.notify_all();
    if (!inside_loop) {
        changed_.wait_until(lock, deadline, [this] { return thread_ended_; });
    }
    if (!thread_.joinable()) {
        return;
    }
    if (thread_ended_) {
        lock.unlock();
        thread_.join();
    } else {
        log::debug("{}: its connecting thread hangs; leaving it behind", target_.text);
        thread_.detach();
    }
}

}  // namespace resilience
