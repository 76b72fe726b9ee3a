// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/child.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "filters/quorum/options.h"

namespace resilience::quorum {

namespace {

/// A server that dropped the connection with our writes in it may still be
/// carrying them out.  NBD has no way to ask, so a child comes back only when
/// this time has passed since its link was lost.
constexpr std::chrono::milliseconds settle_time{500};

}  // namespace

Child::Child(std::string name, std::string node_name, std::shared_ptr<Device> device,
             Duration timeout, Clock& clock, std::vector<std::string> storage)
    : name_(std::move(name)), node_name_(std::move(node_name)), device_(std::move(device)),
      timeout_(timeout), clock_(clock), storage_(std::move(storage)), relapses_(timeout),
      stale_(device_->size(), stale_granularity),
      doubtful_(device_->size(), stale_granularity), unflushed_(device_->size(), stale_granularity)
{
}

/// Under state_mutex_.  Returns what people are to know of it.
std::string Child::note_fall()
{
    relapses_.fell(clock_.now());
    if (relapses_.wait() == Duration::zero()) {
        return {};
    }
    return fmt::format("{} times now; it is not used again within {:.3g} s", relapses_.times(),
                       std::chrono::duration<double>(relapses_.wait()).count());
}

void Child::apply(ChildEvent event, std::string detail)
{
    ChildState from;
    ChildState to;
    {
        const std::lock_guard lock(state_mutex_);
        from = state_.load();
        // Asked again here: a request that was abandoned meanwhile has been
        // counted before its missed_deadline could get this lock.
        if (event == ChildEvent::answered && in_flight() > 0) {
            return;
        }
        to = next_state(from, event);
        if (from == to) {
            return;
        }
        if (to == ChildState::suspect) {
            detail = note_fall();
        } else if (to == ChildState::online) {
            relapses_.recovered(clock_.now());
        }
        state_.store(to, std::memory_order_release);
    }
    if (on_state_change_) {
        std::string reason(to_string(event));
        if (!detail.empty()) {
            reason += ": " + detail;
        }
        on_state_change_(*this, from, to, reason);
    }
}

void Child::missed_deadline()
{
    counters.timeouts++;
    apply(ChildEvent::missed_deadline);
}

void Child::late_answer()
{
    counters.late_answers++;
    owed_.fetch_sub(1);
}

void Child::answered(Op op, Duration took)
{
    if (op == Op::read || op == Op::write) {
        (op == Op::read ? reading : writing).latency.add(took);
    }
}

unsigned Child::relapses() const
{
    const std::lock_guard lock(state_mutex_);
    return relapses_.times();
}

Duration Child::waits(TimePoint now) const
{
    const std::lock_guard lock(state_mutex_);
    return state() == ChildState::online ? Duration::zero()
                                         : std::max(Duration::zero(), relapses_.not_before() - now);
}

void Child::forgive()
{
    const std::lock_guard lock(state_mutex_);
    relapses_.forget();
}

void Child::wrote(ByteRange range, std::uint64_t epoch, bool durable)
{
    if (!durable) {
        unflushed_.mark(range);
    }
    stale_.clear(range);
    doubtful_.clear(range);
    // The order matters.  distrust_unflushed() first counts the epoch up and then makes
    // stale what is marked unflushed.  If it came before our mark, or between
    // the mark and the clear, the epoch tells.
    if (this->epoch() != epoch) {
        distrust(range);
    }
}

void Child::distrust(ByteRange range)
{
    doubtful_.set(range);
    stale_.set(range);
}

void Child::doubt_stale()
{
    std::optional<ByteRange> run = stale_.next_marked(0, stale_.size());
    while (run) {
        doubtful_.set(*run);
        run = stale_.next_marked(run->end, stale_.size());
    }
}

void Child::trust_all()
{
    stale_.clear_all();
    doubtful_.clear_all();
}

Standing Child::standing(ByteRange range) const
{
    if (!stale_.any(range)) {
        return Standing::current;
    }
    return doubtful_.any(range) ? Standing::doubtful : Standing::missed;
}

Child::Flushing Child::flush_begins()
{
    flushes_.fetch_add(1);
    const std::uint64_t epoch = this->epoch();  // before the marks: see flush_failed()
    return {epoch, unflushed_.take()};
}

bool Child::flush_succeeded(const Flushing& flushing)
{
    if (epoch() != flushing.epoch) {
        flush_failed(flushing, false);
        return false;
    }
    // A disk may have failed another flush before it did this one, and have said
    // all it had to say about lost writes there.  As long as such an answer may
    // come, the marks are kept for it.
    if (flushes_.load() > 1 || owed() > 0) {
        unflushed_.put_back(flushing.taken);
    }
    flushes_.fetch_sub(1);
    return true;
}

void Child::flush_failed(const Flushing& flushing, bool distrust)
{
    flushes_.fetch_sub(1);
    unflushed_.put_back(flushing.taken);
    if (distrust) {
        distrust_unflushed();
    } else if (epoch() != flushing.epoch) {
        // As in wrote(): lose_link() either finds the marks that are back, or
        // has counted the epoch up before.
        unflushed_.copy_to(doubtful_, flushing.taken);
        unflushed_.copy_to(stale_, flushing.taken);
    }
}

/// As after a lost link.  Not only what was marked when the flush began: a write
/// that the child did before the flush may be answered, or noted, after it.
void Child::distrust_unflushed()
{
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    unflushed_.copy_to(doubtful_);
    unflushed_.copy_to(stale_);
}

void Child::lose_link()
{
    counters.links_lost++;
    distrust_unflushed();
    apply(ChildEvent::link_lost, device_->link_error());
}

/// As long as anything is in flight, whatever we copied there could be
/// overwritten by a request from the past.
bool Child::may_come_back(TimePoint now, bool needed)
{
    if (in_flight() > 0) {
        return false;
    }
    // Only now: the last request to end may have been a write that was cut off.
    if (write_cut_off_.exchange(false)) {
        rejoin_at_ = now + settle_time;
    }
    return now >= rejoin_at_ && (needed || waits(now) == Duration::zero());
}

void Child::housekeep(TimePoint now, bool needed)
{
    const Link link = device_->link();
    if (link == Link::up) {
        link_loss_noted_ = false;
    } else if (!link_loss_noted_) {
        link_loss_noted_ = true;
        lose_link();
    }
    if (state() == ChildState::suspect && in_flight() > 0 && now - relapses_.fell_at() > timeout_) {
        apply(ChildEvent::grace_over);
    }
    if (state() == ChildState::online) {
        return;
    }
    if (!may_come_back(now, needed)) {
        return;
    }
    if (link == Link::returned) {
        link_loss_noted_ = false;  // the next loss is a new one
        device_->resume();
    }
    if (device_->link() == Link::up) {
        apply(ChildEvent::answered);
    }
}

}  // namespace resilience::quorum
