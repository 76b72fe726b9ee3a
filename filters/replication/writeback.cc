// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/writeback.h"

#include <utility>

#include "common/device/thread_start.h"

namespace resilience::replication {

namespace {

constexpr std::chrono::milliseconds look_interval{50};
/// Less is soon made durable when it is needed.
constexpr std::uint64_t enough_bytes = 8 << 20;

}  // namespace

Writeback::Writeback(std::shared_ptr<Core> core) : state_(std::make_shared<State>())
{
    state_->core = std::move(core);
}

void Writeback::start()
{
    thread_ = start_thread("repl-writeback", [state = state_] { state->run(); });
}

void Writeback::stop(std::chrono::milliseconds limit)
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

void Writeback::State::run()
{
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, look_interval, [this] { return stopping; })) {
        if (core->unsynced < enough_bytes) {
            continue;
        }
        lock.unlock();
        core->sync_disk();  // a failure is there for the next checkpoint to find
        lock.lock();
    }
    ended = true;
    changed.notify_all();
}

}  // namespace resilience::replication
