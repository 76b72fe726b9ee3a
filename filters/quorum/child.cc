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

/// The granules that `range` touches, whole.
ByteRange whole_granules(ByteRange range)
{
    return {range.begin - range.begin % stale_granularity,
            (range.end + stale_granularity - 1) / stale_granularity * stale_granularity};
}

}  // namespace

Child::Child(std::string name, std::string node_name, std::shared_ptr<Device> device,
             Duration timeout, Clock& clock, std::vector<std::string> storage)
    : name_(std::move(name)), node_name_(std::move(node_name)), device_(std::move(device)),
      timeout_(timeout), clock_(clock), storage_(std::move(storage)), relapses_(timeout),
      stale_(device_->size(), stale_granularity), doubtful_(device_->size(), stale_granularity),
      replayable_(device_->size(), stale_granularity),
      unflushed_(device_->size(), stale_granularity),
      unflushed_unkept_(device_->size(), stale_granularity), differences_(device_->size())
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

void Child::wrote(ByteRange range, std::uint64_t epoch, bool durable, bool kept)
{
    if (!durable) {
        (kept ? unflushed_ : unflushed_unkept_).mark(range);
    }
    believe(range);
    differences_.remove(range);
    // The order matters.  distrust_unflushed() first counts the epoch up and then makes
    // stale what is marked unflushed.  If it came before our mark, or between
    // the mark and the clear, the epoch tells.
    if (this->epoch() != epoch) {
        const std::lock_guard lock(trust_mutex_);
        becomes_stale(range, kept, Standing::doubtful);
    }
}

void Child::may_have_written(ByteRange range, std::uint64_t epoch, bool kept)
{
    (kept ? unflushed_ : unflushed_unkept_).mark(range);
    // That its link was lost is why it failed: it has this write or not.  Nothing of
    // it is read before all have it.
    if (kept && this->epoch() != epoch) {
        const std::lock_guard lock(trust_mutex_);
        becomes_stale(range, true, Standing::doubtful);
    }
}

void Child::missed(ByteRange range, bool kept)
{
    const std::lock_guard lock(trust_mutex_);
    becomes_stale(range, kept, Standing::missed);
}

void Child::lost_kept(ByteRange range)
{
    const std::lock_guard lock(trust_mutex_);
    replayable_.clear(whole_granules(range));
}

void Child::distrust(ByteRange range)
{
    const std::lock_guard lock(trust_mutex_);
    becomes_stale(range, false, Standing::doubtful);
}

void Child::doubt_stale()
{
    const std::lock_guard lock(trust_mutex_);
    for_each_marked(stale_, [this](ByteRange range) { doubtful_.set(range); });
}

Standing Child::standing(ByteRange range) const
{
    if (!stale_.any(range)) {
        return Standing::current;
    }
    return doubtful_.any(range) ? Standing::doubtful : Standing::missed;
}

/// What was wholly written.
void Child::believe(ByteRange range)
{
    if (stale_.any()) {
        const std::lock_guard lock(trust_mutex_);
        replayable_.clear(range);
        stale_.clear(range);
        doubtful_.clear(range);
    }
}

void Child::believe_all()
{
    believe({0, device_->size()});
}

/// It is stale there from now on; `kept`: for no other reason than that it may lack what
/// is kept.  Under trust_mutex_.
void Child::becomes_stale(ByteRange range, bool kept, Standing standing)
{
    if (standing == Standing::doubtful) {
        doubtful_.set(range);
    }
    const ByteRange all = whole_granules(range);
    if (!kept) {
        replayable_.clear(all);
    } else if (!stale_.any(all)) {
        replayable_.set(all);
    } else {
        for (std::uint64_t at = all.begin; at < all.end; at += stale_granularity) {
            const ByteRange granule{at, at + stale_granularity};
            if (!stale_.any(granule)) {
                replayable_.set(granule);
            }
        }
    }
    stale_.set(range);
}

/// All that is marked in the two.  Under trust_mutex_.
void Child::may_have_forgotten(const DirtyBitmap& kept, const DirtyBitmap& unkept)
{
    for_each_marked(kept, [&](ByteRange range) { becomes_stale(range, true, Standing::doubtful); });
    for_each_marked(unkept,
                    [&](ByteRange range) { becomes_stale(range, false, Standing::doubtful); });
}

Child::Flushing Child::flush_begins()
{
    flushes_begun_.fetch_add(1);
    flushes_.fetch_add(1);
    const Replaying now = replay_begins();  // before the marks: see flush_failed()
    return {now.epoch, now.given_up, unflushed_.take(), unflushed_unkept_.take()};
}

/// What a flush has not made durable.
void Child::put_back(const Flushing& flushing)
{
    const std::lock_guard lock(trust_mutex_);
    UnflushedMap& unflushed = given_up_ == flushing.given_up ? unflushed_ : unflushed_unkept_;
    unflushed.put_back(flushing.kept);
    unflushed_unkept_.put_back(flushing.unkept);
    // As in wrote(): lose_link() either finds the marks that are back, or
    // has counted the epoch up before.
    if (epoch() != flushing.epoch) {
        DirtyBitmap kept = no_marks();
        DirtyBitmap unkept = no_marks();
        unflushed.copy_to(&unflushed == &unflushed_ ? kept : unkept, flushing.kept);
        unflushed_unkept_.copy_to(unkept, flushing.unkept);
        may_have_forgotten(kept, unkept);
    }
}

bool Child::flush_succeeded(const Flushing& flushing, bool* alone)
{
    if (epoch() != flushing.epoch) {
        flush_failed(flushing, false);
        return false;
    }
    // A disk may have failed another flush before it did this one, and have said
    // all it had to say about lost writes there.  As long as such an answer may
    // come, the marks are kept for it.
    const bool others = flushes_.load() > 1 || owed() > 0;
    if (others) {
        put_back(flushing);
    }
    if (alone) {
        *alone = !others;
    }
    flushes_.fetch_sub(1);
    return true;
}

void Child::flush_failed(const Flushing& flushing, bool distrust)
{
    put_back(flushing);
    flushes_.fetch_sub(1);  // after that: see may_forget()
    if (distrust) {
        distrust_unflushed();
    }
}

/// As after a lost link.  Not only what was marked when the flush began: a write
/// that the child did before the flush may be answered, or noted, after it.
void Child::distrust_unflushed()
{
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    const std::lock_guard lock(trust_mutex_);
    DirtyBitmap kept = no_marks();
    DirtyBitmap unkept = no_marks();
    unflushed_.copy_to(kept);
    unflushed_unkept_.copy_to(unkept);
    may_have_forgotten(kept, unkept);
}

void Child::give_up_kept()
{
    const std::lock_guard lock(trust_mutex_);
    given_up_++;
    replayable_.clear_all();
    unflushed_unkept_.put_back(unflushed_.take());
}

Child::Replaying Child::replay_begins() const
{
    const std::lock_guard lock(trust_mutex_);
    return {epoch(), given_up_};
}

void Child::replayed(ByteRange range, const Replaying& replaying)
{
    const std::lock_guard lock(trust_mutex_);
    if (given_up_ != replaying.given_up) {
        unflushed_unkept_.mark(range);
        return;
    }
    unflushed_.mark(range);
    // After the mark, as in wrote(): a link that is lost from now on finds it.
    if (epoch() != replaying.epoch) {
        return;
    }
    for (std::uint64_t at = range.begin; at < range.end; at += stale_granularity) {
        const ByteRange granule{at, std::min(at + stale_granularity, range.end)};
        if (replayable_.any(granule)) {
            replayable_.clear(granule);
            stale_.clear(granule);
            doubtful_.clear(granule);
        }
    }
}

std::optional<std::vector<std::uint64_t>> Child::missing_words() const
{
    // A flush has taken marks, and may yet put them back.
    const std::uint64_t begun = flushes_begun_;
    if (flushes_ != 0) {
        return std::nullopt;
    }
    // In this order: a write first marks what may be forgotten, and then clears this.
    std::vector<std::uint64_t> words = stale_.all_words();
    DirtyBitmap unflushed = no_marks();
    unflushed_.copy_to(unflushed);
    unflushed_unkept_.copy_to(unflushed);
    for (std::size_t i = 0; i < words.size(); i++) {
        words[i] |= unflushed.word(i);
    }
    return begun == flushes_begun_ ? std::optional(std::move(words)) : std::nullopt;
}

void Child::lose_link()
{
    counters.links_lost++;
    differences_.forget_unread();
    distrust_unflushed();
    if (unchecked_.exchange(false)) {
        // It is missed all the same.  Nobody asks it: its link is not up.
        const std::lock_guard lock(state_mutex_);
        state_.store(ChildState::online, std::memory_order_release);
    }
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
        // Another file stays that, though it may be the same as at the last return.
        as_before_ = (!to_compare_ || as_before_) && device_->may_be_as_before();
        to_compare_ = true;
        check_.reset();
        comparing_ = false;
        device_->resume();
    }
    if (foreign_ || device_->link() != Link::up || !is_the_one()) {
        return;
    }
    if (unchecked_.exchange(false)) {
        // Nobody has missed it: no event.
        const std::lock_guard lock(state_mutex_);
        state_.store(ChildState::online, std::memory_order_release);
        return;
    }
    apply(ChildEvent::answered);
}

}  // namespace resilience::quorum
