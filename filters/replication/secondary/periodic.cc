// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/periodic.h"

#include <utility>

#include "common/thread/thread_start.h"

namespace resilience::replication {

Periodic::Periodic(const char* name, std::chrono::milliseconds pause, Turn turn)
    : name_(name), state_(std::make_shared<State>())
{
    state_->pause = pause;
    state_->turn = std::move(turn);
}

void Periodic::start()
{
    thread_ = start_thread(name_, [state = state_] { state->run(); });
}

void Periodic::stop(std::chrono::milliseconds limit)
{
    if (!thread_.joinable()) {
        return;
    }
    std::unique_lock lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
    const bool ended = state_->changed.wait_for(lock, limit, [this] { return state_->ended; });
    lock.unlock();
    if (ended) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

void Periodic::State::run()
{
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, pause, [this] { return stopping.load(); })) {
        lock.unlock();
        turn(stopping);
        lock.lock();
    }
    ended = true;
    changed.notify_all();
}

}  // namespace resilience::replication
