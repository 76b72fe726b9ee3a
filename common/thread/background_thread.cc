// SPDX-License-Identifier: BSD-3-Clause
#include "common/thread/background_thread.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "common/core/log.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

constexpr std::chrono::seconds retry_after{1};

}  // namespace

/// What one thread needs, however long it lives.
struct BackgroundThread::State {
    explicit State(const std::string& name, const Turn& work) : name(name), turn(work) {}

    const std::string name;
    const Turn turn;
    std::thread thread;
    std::atomic<bool> stopping{false};
    std::mutex mutex;  // all that follows
    std::condition_variable changed;
    bool woken = false;
    bool ended = false;
    std::string trouble;  // the thread's own: the text of what was thrown last

    void run();
    std::optional<TimePoint> safe_turn();
};

BackgroundThread::BackgroundThread(std::string name, Turn turn)
    : name_(std::move(name)), turn_(std::move(turn))
{
}

BackgroundThread::~BackgroundThread()
{
    stop(no_limit);
}

void BackgroundThread::start()
{
    if (running()) {
        return;
    }
    stop(no_limit);  // one that has ended by itself is joined
    auto state = std::make_shared<State>(name_, turn_);
    state->thread = start_thread(name_, [state] { state->run(); });
    const std::lock_guard lock(mutex_);
    state_ = std::move(state);
}

std::shared_ptr<BackgroundThread::State> BackgroundThread::state() const
{
    const std::lock_guard lock(mutex_);
    return state_;
}

void BackgroundThread::wake()
{
    if (const auto thread = state()) {
        const std::lock_guard lock(thread->mutex);
        thread->woken = true;
        thread->changed.notify_all();
    }
}

bool BackgroundThread::stop(std::chrono::milliseconds limit)
{
    std::shared_ptr<State> old;
    {
        const std::lock_guard lock(mutex_);
        old = std::exchange(state_, nullptr);
    }
    if (!old) {
        return true;
    }
    std::unique_lock lock(old->mutex);
    old->stopping = true;
    old->changed.notify_all();
    const auto ended = [&old] { return old->ended; };
    if (limit != no_limit && !old->changed.wait_for(lock, limit, ended)) {
        log::warning("{}: hangs; its thread is left behind", name_);
        old->thread.detach();
        return false;
    }
    lock.unlock();
    old->thread.join();
    return true;
}

bool BackgroundThread::running() const
{
    const auto thread = state();
    if (!thread) {
        return false;
    }
    const std::lock_guard lock(thread->mutex);
    return !thread->ended;
}

void BackgroundThread::State::run()
{
    std::unique_lock lock(mutex);
    while (!stopping) {
        woken = false;
        lock.unlock();
        const auto next = safe_turn();
        lock.lock();
        if (!next) {
            break;
        }
        changed.wait_until(lock, *next, [this] { return stopping || woken; });
    }
    ended = true;
    changed.notify_all();
}

std::optional<TimePoint> BackgroundThread::State::safe_turn()
{
    std::string text = "an unknown exception";
    try {
        const auto next = turn(stopping);
        trouble.clear();
        return next;
    } catch (const std::exception& error) {
        text = error.what();
    } catch (...) {
    }
    if (std::exchange(trouble, text) != text) {
        log::error("{}: {}; it will be tried again", name, text);
    }
    return real_clock().now() + retry_after;
}

}  // namespace resilience
