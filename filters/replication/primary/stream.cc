// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "common/device/pending.h"

namespace resilience::replication {

namespace {

/// Less is not worth a request of its own.
constexpr std::uint64_t smallest_flush = 1 << 20;

}  // namespace

/// What the answers of a device find, however late they come.
struct Stream::Shared {
    std::mutex mutex;
    std::condition_variable work;      ///< the sender's
    std::condition_variable progress;  ///< for who waits for room, an answer or the barrier
    /// The sender sleeps until somebody wakes it; else it looks by itself soon.
    bool asleep = false;
    unsigned waiters = 0;              ///< for an answer
    std::uint64_t session = 0;         ///< counts open() and close()
    std::map<Ticket, int> answers;     ///< of this session, not yet collected

    void wake()
    {
        if (asleep) {
            asleep = false;
            work.notify_one();
        }
    }
};

Stream::Stream(StreamOptions options, std::uint64_t size, Clock& clock)
    : options_(options), clock_(clock), shared_(std::make_shared<Shared>()),
      missed_(size, granularity)
{
}

Stream::~Stream() = default;

// ---- the connection

void Stream::open(std::shared_ptr<Device> device)
{
    const std::lock_guard lock(shared_->mutex);
    close_locked("another connection takes its place");
    device_ = std::move(device);
    shared_->wake();
}

void Stream::close(std::string_view reason)
{
    const std::lock_guard lock(shared_->mutex);
    close_locked(reason);
}

void Stream::close_locked(std::string_view reason, int error)
{
    shared_->session++;
    shared_->answers.clear();
    const bool was_open = std::exchange(device_, nullptr) != nullptr;
    for (Entries* entries : {&flight_, &queue_}) {
        for (const Entry& entry : *entries) {
            missed_.set(entry.change.range);
            end_entry(entry, error);
        }
        entries->clear();
    }
    guest_bytes_ = copy_bytes_ = flight_bytes_ = 0;
    break_barrier();
    shared_->progress.notify_all();
    try {
        if (was_open) {
            counters_.last_error = reason;
        }
    } catch (const std::bad_alloc&) {  // the session ends also without the words for it
        counters_.last_error.clear();
    }
}

bool Stream::is_open() const
{
    const std::lock_guard lock(shared_->mutex);
    return device_ != nullptr;
}

// ---- what is sent

const Stream::Entry* Stream::oldest() const
{
    return !flight_.empty() ? &flight_.front() : !queue_.empty() ? &queue_.front() : nullptr;
}

bool Stream::over_limit(TimePoint now) const
{
    if (guest_bytes_ > options_.backlog_bytes) {
        return true;
    }
    const Entry* oldest = this->oldest();
    return oldest != nullptr && now - oldest->appended > options_.backlog_age;
}

bool Stream::has_room() const
{
    return !device_ || stopping_ || !over_limit(clock_.now());
}

void Stream::wait_for_room()
{
    std::unique_lock lock(shared_->mutex);
    while (!has_room()) {
        // Ends at the latest when the connection is given up for silence.
        clock_.wait_until(shared_->progress, lock, clock_.now() + options_.timeout,
                          [this] { return has_room(); });
    }
}

/// All that was not sent yet is missed; what is in flight stays.
void Stream::give_up_backlog()
{
    counters_.fell_behind += missed_.any() ? 0 : 1;
    for (const Entry& entry : queue_) {
        missed_.set(entry.change.range);
        (entry.copy ? copy_bytes_ : guest_bytes_) -= entry.length();
        end_entry(entry, ENOBUFS);
    }
    queue_.clear();
    break_barrier();
    shared_->progress.notify_all();
}

void Stream::end_entry(const Entry& entry, int error)
{
    if (entry.waits) {
        waiters_[entry.ticket] = error;
    }
}

bool Stream::sends(ByteRange range) const
{
    const std::lock_guard lock(shared_->mutex);
    return device_ && !missed_.any(range);
}

Stream::Ticket Stream::append(Change change, bool waits)
{
    const std::lock_guard lock(shared_->mutex);
    if (!device_ || missed_.any(change.range) || (change.op == Op::write && !change.data.memory)) {
        missed_.set(change.range);
        break_barrier();
        return 0;
    }
    const ByteRange range = change.range;
    Ticket ticket = 0;
    try {
        ticket = append_locked(std::move(change), false, waits);
    } catch (const std::bad_alloc&) {
        missed_.set(range);
        break_barrier();
        return 0;
    }
    if (!options_.wait_when_full && over_limit(clock_.now())) {
        give_up_backlog();
        return waits ? ticket : 0;
    }
    return ticket;
}

Stream::Ticket Stream::append_locked(Change change, bool copy, bool waits)
{
    Entry entry;
    entry.ticket = next_ticket_++;
    entry.change = std::move(change);
    entry.copy = copy;
    entry.waits = waits;
    entry.appended = clock_.now();
    if (waits) {
        waiters_[entry.ticket] = std::nullopt;
    }
    queue_.push_back(std::move(entry));  // nothing has happened yet if this throws
    (copy ? copy_bytes_ : guest_bytes_) += queue_.back().length();
    if (queue_.size() == 1) {
        shared_->wake();  // else it waits for what comes before this one
    }
    return queue_.back().ticket;
}

bool Stream::append_copy(Change change)
{
    const std::lock_guard lock(shared_->mutex);
    if (!device_) {
        return false;
    }
    const ByteRange range = change.range;
    append_locked(std::move(change), true, false);
    // Only what is copied as a whole; the caller copies whole granules.
    missed_.clear(range);
    return true;
}

int Stream::wait(Ticket ticket)
{
    std::unique_lock lock(shared_->mutex);
    shared_->waiters++;
    const auto answered = [this, ticket] {
        collect_answers();  // without a detour over the sender's thread
        return waiters_.at(ticket).has_value() || stopping_;
    };
    while (!answered()) {
        clock_.wait_until(shared_->progress, lock, clock_.now() + options_.timeout, answered);
    }
    shared_->waiters--;
    const int error = waiters_.at(ticket).value_or(ESHUTDOWN);
    waiters_.erase(ticket);
    return error;
}

void Stream::mark_missed(ByteRange range)
{
    const std::lock_guard lock(shared_->mutex);
    missed_.set(range);
    break_barrier();
}

void Stream::mark_missed(const DirtyBitmap& bits)
{
    const std::lock_guard lock(shared_->mutex);
    for_each_marked(bits, [&](ByteRange range) { missed_.set(range); });
    break_barrier();
}

bool Stream::complete() const
{
    const std::lock_guard lock(shared_->mutex);
    return device_ && !missed_.any();
}

std::uint64_t Stream::copy_bytes() const
{
    const std::lock_guard lock(shared_->mutex);
    return copy_bytes_;
}

bool Stream::wait_copies(TimePoint deadline)
{
    std::unique_lock lock(shared_->mutex);
    const auto settled = [this] { return copy_bytes_ == 0 || !device_ || stopping_; };
    return clock_.wait_until(shared_->progress, lock, deadline, settled) && device_ && !stopping_;
}

// ---- checkpoints

void Stream::flush(TimePoint deadline)
{
    std::shared_ptr<Device> device;
    {
        const std::lock_guard lock(shared_->mutex);
        if (!device_ || counters_.sent_bytes - flushed_at_ < smallest_flush) {
            return;
        }
        flushed_at_ = counters_.sent_bytes;
        device = device_;
    }
    Request request;
    request.op = Op::flush;
    Pending(*device, request, {}, clock_).wait_until(deadline);
}

bool Stream::place_barrier()
{
    const std::lock_guard lock(shared_->mutex);
    if (!device_ || missed_.any() || barrier_ != 0) {
        return false;
    }
    barrier_ = next_ticket_;
    barrier_broken_ = false;
    shared_->asleep = false;
    shared_->work.notify_one();  // also if it lingers
    return true;
}

bool Stream::drained_to_barrier() const
{
    return flight_.empty() && (queue_.empty() || queue_.front().ticket >= barrier_);
}

bool Stream::wait_barrier(TimePoint deadline)
{
    std::unique_lock lock(shared_->mutex);
    const auto settled = [this] {
        return barrier_broken_ || stopping_ || (drained_to_barrier() && shared_->answers.empty());
    };
    clock_.wait_until(shared_->progress, lock, deadline, settled);
    return barrier_ != 0 && !barrier_broken_ && !stopping_ && settled();
}

/// Something is missed: the checkpoint that waits, if there is one, must not be made.
void Stream::break_barrier()
{
    barrier_broken_ = barrier_ != 0;
}

void Stream::lift_barrier()
{
    const std::lock_guard lock(shared_->mutex);
    barrier_ = 0;
    barrier_broken_ = false;
    shared_->wake();
}

// ---- the sender

void Stream::collect_answers()
{
    if (shared_->answers.empty()) {
        return;
    }
    std::erase_if(flight_, [this](const Entry& entry) {
        const auto answer = shared_->answers.find(entry.ticket);
        if (answer == shared_->answers.end()) {
            return false;
        }
        const int error = answer->second;
        if (error != 0) {
            missed_.set(entry.change.range);
            // Whatever is behind it was appended as if it had been there.
            break_barrier();
            counters_.errors++;
            failed_ = true;
            doubt();
            counters_.last_error = fmt::format("the secondary failed a {} of {} bytes at {}: {}",
                                               to_string(entry.change.op), entry.length(),
                                               entry.change.range.begin, std::strerror(error));
        }
        (entry.copy ? copy_bytes_ : guest_bytes_) -= entry.length();
        flight_bytes_ -= entry.length();
        end_entry(entry, error);
        return true;
    });
    shared_->answers.clear();
    shared_->progress.notify_all();
}

std::shared_ptr<Request> Stream::make_request(const Entry& entry) const
{
    auto request = std::make_shared<Request>();
    request->op = entry.change.op;
    request->offset = entry.change.range.begin;
    request->length = entry.length();
    request->flags.may_trim = entry.change.may_trim;
    if (entry.change.op == Op::write) {
        request->from = entry.change.data.span().first(entry.length());
        request->owner = entry.change.data.memory;
    }
    return request;
}

bool Stream::may_send(const Entry& entry) const
{
    if (barrier_ != 0 && entry.ticket >= barrier_) {
        return false;
    }
    if (flight_.size() >= options_.window_requests ||
        (!flight_.empty() && flight_bytes_ + entry.length() > options_.window_bytes)) {
        return false;
    }
    return std::none_of(flight_.begin(), flight_.end(), [&](const Entry& sent) {
        return sent.change.range.begin < entry.change.range.end &&
               entry.change.range.begin < sent.change.range.end;
    });
}

/// Returns whether there was something that may be sent now.
bool Stream::send_next(std::unique_lock<std::mutex>& lock)
{
    if (!device_ || queue_.empty() || !may_send(queue_.front())) {
        return false;
    }
    flight_.splice(flight_.end(), queue_, queue_.begin());
    Entry& entry = flight_.back();
    entry.deadline = clock_.now() + options_.timeout;
    flight_bytes_ += entry.length();
    counters_.sent++;
    counters_.sent_bytes += entry.length();
    const Ticket ticket = entry.ticket;
    auto request = make_request(entry);
    const std::shared_ptr<Device> device = device_;
    const std::uint64_t session = shared_->session;
    lock.unlock();
    device->submit(std::move(request), [shared = shared_, session, ticket](int error) {
        const std::lock_guard guard(shared->mutex);
        if (shared->session == session) {
            shared->answers[ticket] = error;
            shared->wake();
            if (shared->waiters > 0) {
                shared->progress.notify_all();
            }
        }
    });
    lock.lock();
    return true;
}

/// Why the connection has to be given up; empty if it has not.
std::string Stream::overdue(TimePoint now) const
{
    if (!device_) {
        return {};
    }
    if (device_->link() != Link::up) {
        return fmt::format("the connection to the secondary is lost: {}", device_->link_error());
    }
    if (!flight_.empty() && flight_.front().deadline <= now) {
        return fmt::format("the secondary has not answered for {:.3g} s",
                           std::chrono::duration<double>(options_.timeout).count());
    }
    return {};
}

/// Sleeps until there is something to do.  `lingering`: there was just now, so
/// more will come, and whoever brings it need not wake us.
void Stream::wait_for_work(std::unique_lock<std::mutex>& lock, bool lingering)
{
    const auto ready = [this] {
        const bool something = stopping_ || !shared_->answers.empty() ||
                               (device_ && !queue_.empty() && may_send(queue_.front()));
        // Again and again: somebody else may have done what we were woken for.
        shared_->asleep = !something;
        return something;
    };
    const TimePoint now = clock_.now();
    if (lingering) {
        clock_.wait_until(shared_->work, lock, now + options_.linger,
                          [this] { return stopping_ || barrier_ != 0; });
        return;
    }
    // A lost link is looked for now and then: nobody tells us.
    TimePoint until = now + std::chrono::milliseconds(100);
    if (!flight_.empty()) {
        until = std::min(until, std::max(flight_.front().deadline, now));
    }
    clock_.wait_until(shared_->work, lock, until, ready);
    shared_->asleep = false;
}

void Stream::doubt()
{
    if (on_doubt_) {
        on_doubt_();
    }
}

void Stream::tell_trouble(std::unique_lock<std::mutex>& lock, bool silent)
{
    if (on_trouble_) {
        lock.unlock();
        on_trouble_(silent);
        lock.lock();
    }
}

void Stream::run()
{
    std::unique_lock lock(shared_->mutex);
    bool lingering = false;
    while (!stopping_) {
        bool busy = !shared_->answers.empty();
        collect_answers();
        while (send_next(lock)) {
            busy = true;
        }
        if (const std::string reason = overdue(clock_.now()); !reason.empty()) {
            const bool silent = device_->link() == Link::up;
            (silent ? counters_.timeouts : counters_.links_lost)++;
            if (!silent) {
                doubt();
            }
            close_locked(reason, silent ? ETIMEDOUT : ENOTCONN);
            tell_trouble(lock, silent);
            continue;
        }
        if (std::exchange(failed_, false)) {
            tell_trouble(lock, false);
        }
        if (device_ && !options_.wait_when_full && over_limit(clock_.now()) && !queue_.empty()) {
            give_up_backlog();
        }
        shared_->progress.notify_all();
        // With a full window it is the next answer that counts, and no guest
        // has to wake us for that.
        lingering = busy && options_.linger > Duration::zero() && queue_.empty();
        wait_for_work(lock, lingering);
    }
    close_locked("stopped");
}

void Stream::stop()
{
    const std::lock_guard lock(shared_->mutex);
    stopping_ = true;
    shared_->asleep = false;
    shared_->work.notify_all();
    shared_->progress.notify_all();
}

// ---- for people

std::uint64_t Stream::backlog_bytes() const
{
    const std::lock_guard lock(shared_->mutex);
    return guest_bytes_;
}

Duration Stream::backlog_age() const
{
    const std::lock_guard lock(shared_->mutex);
    const Entry* oldest = this->oldest();
    return oldest != nullptr ? clock_.now() - oldest->appended : Duration::zero();
}

StreamCounters Stream::counters() const
{
    const std::lock_guard lock(shared_->mutex);
    return counters_;
}

}  // namespace resilience::replication
