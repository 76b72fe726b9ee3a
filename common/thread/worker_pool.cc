// SPDX-License-Identifier: BSD-3-Clause
#include "common/thread/worker_pool.h"

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "common/core/log.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

struct Job {
    WorkerPool::Run run;
    WorkerPool::Cancel cancel;
};
using JobPtr = std::shared_ptr<Job>;

struct Worker {
    std::thread thread;
    JobPtr running;      ///< the job in hand; empty between jobs
    bool ended = false;  ///< touches nothing any more: joining it takes no time
};

/// How long stop() waits, whatever its limit, for threads that have no job:
/// they end as soon as they get a processor.
constexpr auto time_to_wake_up = std::chrono::seconds(1);

}  // namespace

struct WorkerPool::State {
    const std::string name;
    const unsigned max_threads;

    std::mutex mutex;
    std::condition_variable work;  ///< for idle workers
    std::condition_variable ends;  ///< for stop()
    std::deque<JobPtr> queue;
    std::list<Worker> workers;     ///< a list: each worker refers to its own entry
    unsigned idle = 0;             ///< workers that sleep and were not notified
    unsigned notified = 0;         ///< workers that sleep, but not for long
    unsigned starting = 0;         ///< workers that were made and have not looked yet
    bool accepting = false;
    bool stopping = false;

    State(std::string pool_name, unsigned limit)
        : name(std::move(pool_name)), max_threads(limit ? limit : 1)
    {
    }

    void work_loop(Worker& self);
    void sleep(std::unique_lock<std::mutex>& lock);
    bool all_ended(bool count_busy) const;
};

namespace {

void cancel_all(const std::deque<JobPtr>& jobs, int error)
{
    for (const JobPtr& job : jobs) {
        job->cancel(error);
    }
}

}  // namespace

WorkerPool::WorkerPool(std::string name, unsigned max_threads)
    : state_(std::make_shared<State>(std::move(name), max_threads))
{
}

WorkerPool::~WorkerPool()
{
    stop(std::chrono::milliseconds(0));
}

void WorkerPool::start()
{
    const std::lock_guard lock(state_->mutex);
    state_->accepting = !state_->stopping;
}

unsigned WorkerPool::threads() const
{
    const std::lock_guard lock(state_->mutex);
    return static_cast<unsigned>(state_->workers.size());
}

// Every queued job needs a thread that is sure to come: a busy worker cannot be
// counted on, it may hang.  But one that is already on its way is enough for
// one job, so a burst of submissions does not wake the same sleeper again and
// again; and whoever finishes a job takes the next without going to sleep.
void WorkerPool::submit(Run run, Cancel cancel)
{
    State& state = *state_;
    const auto job = std::make_shared<Job>(Job{std::move(run), std::move(cancel)});
    std::unique_lock lock(state.mutex);
    if (!state.accepting) {
        lock.unlock();
        job->cancel(ESHUTDOWN);
        return;
    }
    state.queue.push_back(job);
    if (state.queue.size() <= state.notified + state.starting) {
        return;
    }
    if (state.idle > 0) {
        --state.idle;
        ++state.notified;
        lock.unlock();
        state.work.notify_one();
        return;
    }
    if (state.workers.size() >= state.max_threads) {
        return;
    }
    Worker& worker = state.workers.emplace_back();
    try {
        worker.thread = start_thread(
            state.name, [shared = state_, &worker] { shared->work_loop(worker); });
        ++state.starting;
    } catch (const std::system_error& error) {
        state.workers.pop_back();
        std::deque<JobPtr> stranded;
        if (state.workers.empty()) {
            stranded.swap(state.queue);
        }
        lock.unlock();
        log::error("{}: cannot start a thread: {}", state.name, error.code().message());
        cancel_all(stranded, EAGAIN);
    }
}

void WorkerPool::State::work_loop(Worker& self)
{
    std::unique_lock lock(mutex);
    --starting;
    JobPtr finished;
    for (;;) {
        if (!queue.empty()) {
            self.running = std::move(queue.front());
            queue.pop_front();
            lock.unlock();
            finished.reset();
            self.running->run();
            lock.lock();
            finished = std::move(self.running);
        } else if (finished) {
            // A job may hold the last reference to the device that owns this
            // pool, so it is destroyed without the lock; and before we sleep.
            lock.unlock();
            finished.reset();
            lock.lock();
        } else if (stopping) {
            break;
        } else {
            sleep(lock);
        }
    }
    self.ended = true;
    // Under the lock: a State outlives its threads, its threads' owner may not.
    ends.notify_all();
}

void WorkerPool::State::sleep(std::unique_lock<std::mutex>& lock)
{
    ++idle;
    work.wait(lock);
    // Whoever notifies moves one of us from `idle` to `notified`.  It does not
    // matter who wakes up for it, perhaps spuriously, as long as the sum of
    // both is the number of sleepers.
    --(notified > 0 ? notified : idle);
}

bool WorkerPool::State::all_ended(bool count_busy) const
{
    // A device may lose its last reference in one of its own workers: that
    // one cannot wait for itself.
    const auto self = std::this_thread::get_id();
    for (const Worker& worker : workers) {
        if (!worker.ended && (count_busy || !worker.running) && worker.thread.joinable() &&
            worker.thread.get_id() != self) {
            return false;
        }
    }
    return true;
}

void WorkerPool::stop(std::chrono::milliseconds limit)
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    State& state = *state_;
    std::deque<JobPtr> never_begun;
    std::deque<JobPtr> hanging;
    std::vector<std::thread> to_join;

    std::unique_lock lock(state.mutex);
    state.accepting = false;
    state.stopping = true;
    never_begun.swap(state.queue);
    lock.unlock();
    state.work.notify_all();
    cancel_all(never_begun, ESHUTDOWN);
    lock.lock();

    state.ends.wait_until(lock, deadline, [&] { return state.all_ended(true); });
    state.ends.wait_for(lock, time_to_wake_up, [&] { return state.all_ended(false); });
    for (Worker& worker : state.workers) {
        if (!worker.thread.joinable()) {
            continue;
        }
        if (worker.ended) {
            to_join.push_back(std::move(worker.thread));
            continue;
        }
        // Left behind: it hangs in the kernel, or it is this very thread.  It
        // shares the State, and its job owns what it works on.
        worker.thread.detach();
        if (worker.running) {
            hanging.push_back(worker.running);
        }
    }
    lock.unlock();

    for (std::thread& thread : to_join) {
        thread.join();
    }
    if (!hanging.empty()) {
        log::debug("{}: {} threads hang and are left behind", state.name, hanging.size());
    }
    cancel_all(hanging, ESHUTDOWN);
}

}  // namespace resilience
