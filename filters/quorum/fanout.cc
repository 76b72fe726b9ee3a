// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/fanout.h"

#include <algorithm>
#include <utility>

#include "common/core/compare.h"
#include "common/device/pieces.h"

namespace resilience::quorum {

std::shared_ptr<Request> own_read(const Request& request)
{
    const Buffer buffer = take_buffer(request.length);
    auto own = std::make_shared<Request>(request);
    own->into = buffer.span();
    own->owner = buffer.memory;
    return own;
}

std::shared_ptr<Request> zero_request(ByteRange range)
{
    auto request = std::make_shared<Request>();
    request->op = Op::zero;
    request->flags.may_trim = true;
    request->offset = range.begin;
    request->length = range.length();
    return request;
}

std::shared_ptr<Request> copy_request(const Buffer& content, ByteRange range)
{
    auto request = zero_request(range);
    if (!is_all_zero(content.span())) {
        request->op = Op::write;
        request->flags = {};
        request->from = content.span();
        request->owner = content.memory;
    }
    return request;
}

Fanout::Fanout(Clock& clock, std::size_t children)
    : clock_(clock), shared_(std::make_shared<Shared>())
{
    shared_->slots.reserve(children);
}

std::vector<Slot>& Fanout::slots()
{
    return shared_->slots;
}

void Fanout::measure()
{
    shared_->measured = true;
}

std::size_t Fanout::add(ChildPtr child)
{
    shared_->slots.push_back({});
    shared_->slots.back().child = std::move(child);
    return shared_->slots.size() - 1;
}

bool Fanout::try_now(std::size_t index, Request& request)
{
    Slot& slot = shared_->slots[index];
    Device& device = slot.child->device();
    if (!device.immediate(request.op)) {
        return false;
    }
    slot.epoch = slot.child->epoch();
    const TimePoint begun = shared_->measured ? clock_.now() : TimePoint{};
    const std::optional<int> error = device.execute_now(request);
    if (!error) {
        return false;
    }
    if (shared_->measured && *error == 0) {
        slot.child->answered(request.op, clock_.now() - begun);
    }
    const std::lock_guard lock(shared_->mutex);  // others' completions look at slots
    slot.error = *error;
    slot.done = true;
    return true;
}

bool Fanout::try_now(std::size_t index, const std::shared_ptr<Request>& request)
{
    if (!try_now(index, *request)) {
        return false;
    }
    const std::lock_guard lock(shared_->mutex);
    shared_->slots[index].request = request;
    return true;
}

void Fanout::send(std::size_t index, std::shared_ptr<Request> request)
{
    ChildPtr child;
    {
        const std::lock_guard lock(shared_->mutex);
        Slot& slot = shared_->slots[index];
        child = slot.child;
        slot.request = request;
        slot.epoch = child->epoch();
        slot.sent = clock_.now();
        slot.deadline = slot.sent + child->timeout();
        slot.due = child->device().progress().asked;
        if (request->length > piece_of_data) {
            slot.request->answered_at = std::make_shared<std::atomic<TimePoint::rep>>(0);
        }
        shared_->pending++;
    }
    child->request_begins();
    child->device().submit(std::move(request), [shared = shared_, index, &clock = clock_](int error) {
        shared->complete(index, error, clock.now());
    });
}

/// Nobody waits for this answer any more, but a flush that failed has failed.
void Fanout::Shared::note_late(const Slot& slot, int error)
{
    if (slot.request->op == Op::flush && error != 0) {
        slot.child->distrust_unflushed();
    }
}

void Fanout::Shared::complete(std::size_t index, int error, TimePoint now)
{
    std::function<void(std::size_t)> tell;
    {
        const std::lock_guard lock(mutex);
        Slot& slot = slots[index];
        Child& child = *slot.child;
        if (error == ENOTCONN && slot.request && modifies(slot.request->op)) {
            child.write_cut_off();
        }
        if (measured && error == 0) {
            child.answered(slot.request->op, now - slot.sent);
        }
        if (slot.abandoned) {
            note_late(slot, error);
            child.late_answer();
        } else {
            slot.error = error;
            slot.done = true;
            pending--;
            tell = late;
        }
        child.request_ends();
        // Under the lock: the waiter may destroy nothing of this, but it must
        // not sleep through the last answer.
        answered.notify_one();
    }
    if (tell) {
        tell(index);
    }
}

/// Whether its deadline is still to come.  Each answer to a part of it puts that off, and
/// each answer at all as long as the child has not answered what it had been asked before:
/// the line is slow, or busy with others.
bool Fanout::Shared::has_time(Slot& slot, TimePoint now)
{
    if (slot.deadline <= now) {
        const Duration timeout = slot.child->timeout();
        if (const auto& own = slot.request->answered_at) {
            slot.deadline = std::max(slot.deadline,
                                     TimePoint(TimePoint::duration(own->load())) + timeout);
        }
        const Progress progress = slot.child->device().progress();
        if (progress.answered < slot.due) {
            slot.deadline = std::max(slot.deadline, progress.at + timeout);
        }
    }
    return slot.deadline > now;
}

TimePoint Fanout::Shared::abandon_overdue(TimePoint now, std::unique_lock<std::mutex>& lock)
{
    std::vector<std::size_t> given_up;
    TimePoint next = TimePoint::max();
    for (std::size_t i = 0; i < slots.size(); i++) {
        Slot& slot = slots[i];
        if (!slot.request || slot.done) {
            continue;
        }
        if (has_time(slot, now)) {
            next = std::min(next, slot.deadline);
            continue;
        }
        slot.abandoned = true;
        slot.done = true;
        slot.error = abandoned_error;
        pending--;
        slot.child->owe();  // under the lock: before its answer can be counted
        given_up.push_back(i);
    }
    if (!given_up.empty()) {
        const auto tell = late;
        lock.unlock();
        for (const std::size_t i : given_up) {
            slots[i].child->missed_deadline();
            if (tell) {
                tell(i);
            }
        }
        lock.lock();
    }
    return next;
}

void Fanout::wait()
{
    wait_until([] { return false; });
}

void Fanout::wait_until(const std::function<bool()>& enough)
{
    std::unique_lock lock(shared_->mutex);
    const auto ready = [&] { return shared_->pending == 0 || enough(); };
    while (!ready()) {
        const TimePoint next = shared_->abandon_overdue(clock_.now(), lock);
        if (next == TimePoint::max()) {
            continue;  // everything overdue has just been abandoned
        }
        clock_.wait_until(shared_->answered, lock, next, ready);
    }
}

std::vector<Slot> Fanout::detach(std::function<void(std::size_t)> late)
{
    const std::lock_guard lock(shared_->mutex);
    shared_->late = std::move(late);
    return shared_->slots;
}

}  // namespace resilience::quorum
