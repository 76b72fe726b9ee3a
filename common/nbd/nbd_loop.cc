// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/nbd_loop.h"

#include <mutex>
#include <utility>
#include <vector>

#include <poll.h>

#include "common/thread/thread_start.h"

namespace resilience {

namespace {

// How often TCP connections are asked whether the other machine still lives.
constexpr std::chrono::milliseconds peer_check_interval{1000};

}  // namespace

/// What the thread owns.  It is not the NbdLoop, because the last holder of
/// that may let go of it in a completion, on this very thread.
struct NbdLoop::State {
    std::mutex mutex;
    std::vector<std::shared_ptr<NbdConnection>> added;
    bool stopping = false;

    void run(const EventFd& waker);
    bool take_added(std::vector<std::shared_ptr<NbdConnection>>& connections);
};

std::shared_ptr<NbdLoop> NbdLoop::shared()
{
    static std::mutex mutex;
    static std::weak_ptr<NbdLoop> current;
    const std::lock_guard lock(mutex);
    auto loop = current.lock();
    if (!loop) {
        loop = std::make_shared<NbdLoop>();
        current = loop;
    }
    return loop;
}

NbdLoop::NbdLoop() : waker_(std::make_shared<EventFd>()), state_(std::make_shared<State>())
{
    thread_ = start_thread("nbd-loop", [state = state_, waker = waker_] { state->run(*waker); });
}

NbdLoop::~NbdLoop()
{
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopping = true;
    }
    waker_->signal();
    if (on_loop_thread()) {
        thread_.detach();  // it ends when it returns from the completion that got us here
    } else {
        thread_.join();
    }
}

void NbdLoop::add(std::shared_ptr<NbdConnection> connection)
{
    {
        const std::lock_guard lock(state_->mutex);
        state_->added.push_back(std::move(connection));
    }
    waker_->signal();
}

bool NbdLoop::State::take_added(std::vector<std::shared_ptr<NbdConnection>>& connections)
{
    const std::lock_guard lock(mutex);
    std::move(added.begin(), added.end(), std::back_inserter(connections));
    added.clear();
    return !stopping;
}

void NbdLoop::State::run(const EventFd& waker)
{
    std::vector<std::shared_ptr<NbdConnection>> connections;
    std::vector<pollfd> fds;
    TimePoint next_check = real_clock().now() + peer_check_interval;
    while (take_added(connections)) {
        fds.assign(1, {.fd = waker.get(), .events = POLLIN, .revents = 0});
        bool tcp = false;
        // Those that have ended are told and dropped, the others polled.
        std::erase_if(connections, [&](const std::shared_ptr<NbdConnection>& connection) {
            const short events = connection->wanted_events();
            if (events == 0) {
                connection->declare_lost();
                return true;
            }
            fds.push_back({.fd = connection->fd(), .events = events, .revents = 0});
            tcp |= connection->is_tcp();
            return false;
        });
        const int limit = tcp ? static_cast<int>(peer_check_interval.count()) : -1;
        if (::poll(fds.data(), fds.size(), limit) == -1) {
            continue;  // EINTR; there is no other error that waiting longer would cure
        }
        if (fds[0].revents != 0) {
            waker.clear();
        }
        for (std::size_t i = 1; i < fds.size(); ++i) {
            if (fds[i].revents != 0) {
                connections[i - 1]->handle_events(fds[i].revents);
            }
        }
        if (tcp && real_clock().now() >= next_check) {
            next_check = real_clock().now() + peer_check_interval;
            for (const auto& connection : connections) {
                connection->check_peer();
            }
        }
    }
    for (const auto& connection : connections) {
        connection->declare_lost();
    }
}

}  // namespace resilience
