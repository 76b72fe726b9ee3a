// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/state.h"

#include <algorithm>
#include <utility>

#include "common/core/compare.h"

namespace resilience::quorum {

namespace {

/// More heals than this are not queued: the next read of the range finds the
/// difference again.
constexpr std::size_t most_heals = 1024;

}  // namespace

State::State(Options settled, std::uint64_t bytes, Observer& told, Clock& time)
    : options(std::move(settled)), size(bytes), clock(time), observer(told),
      flush_turns(time), unflushed(options.unflushed_limit), range_lock_(time), slowest_(options.timeout)
{
}

TimePoint State::lock_deadline() const
{
    // A holder ends within a few timeouts of its children, and there can be a
    // queue of holders.  Reaching this deadline is a bug; an error beats a hang.
    return clock.now() + 20 * slowest_.load();
}

RangeLock::Guard State::lock(ByteRange range, LockMode mode)
{
    return lock(range, mode, lock_deadline());
}

RangeLock::Guard State::try_lock(ByteRange range, LockMode mode)
{
    return lock(range, mode, clock.now());
}

RangeLock::Guard State::lock(ByteRange range, LockMode mode, TimePoint deadline)
{
    const std::uint64_t alignment = alignment_;
    const std::uint64_t begin = range.begin - range.begin % alignment;
    const std::uint64_t end = range.end + (alignment - range.end % alignment) % alignment;
    return range_lock_.acquire(begin, end, mode, deadline);
}

Children State::voters(ByteRange range) const
{
    Children voters;
    voters.reserve(children_.size());
    for (const ChildPtr& child : children_) {
        if (child->current(range)) {
            voters.push_back(child);
        }
    }
    return voters;
}

Children State::reachable(Children* absent) const
{
    Children reachable;
    reachable.reserve(children_.size());
    for (const ChildPtr& child : children_) {
        if (child->online()) {
            reachable.push_back(child);
        } else if (absent) {
            absent->push_back(child);
        }
    }
    return reachable;
}

void State::replace_children(Children children)
{
    const std::lock_guard lock(snapshot_mutex_);
    children_ = std::move(children);
    for (const ChildPtr& child : children_) {
        const std::uint64_t block = child->device().block_limits().minimum;
        alignment_ = std::max(alignment_.load(), block);
        slowest_ = std::max(slowest_.load(), child->timeout());
        if (child->device().capabilities().forgets_unflushed && options.unflushed_limit != 0) {
            keeps_unflushed_ = true;
        }
    }
}

Children State::snapshot() const
{
    const std::lock_guard lock(snapshot_mutex_);
    return children_;
}

bool State::time_to_measure(Duration interval)
{
    const TimePoint now = clock.now();
    TimePoint due = measure_at_;
    return due <= now && measure_at_.compare_exchange_strong(due, now + interval);
}

void State::report_error(Child& child, Fault fault, ByteRange range, int error)
{
    switch (fault) {
    case Fault::read: child.counters.read_errors++; break;
    case Fault::write: child.counters.write_errors++; break;
    case Fault::flush: child.counters.flush_errors++; break;
    }
    observer.report_bad(child, {fault, range, error, std::nullopt});
}

void State::report_mismatch(Child& child, ByteRange range, std::span<const std::byte> right,
                            std::span<const std::byte> wrong)
{
    const Mismatch mismatch{range.begin + first_difference(right, wrong).value_or(0),
                            count_differing_sectors(right, wrong, range.begin),
                            count_zeroed_sectors(right, wrong, range.begin)};
    child.counters.mismatches++;
    child.counters.differing_sectors += mismatch.differing_sectors;
    child.counters.zeroes_against_data += mismatch.zeroes_against_data;
    observer.report_bad(child, {Fault::read, range, 0, mismatch});
}

void State::heal_later(ByteRange range)
{
    const std::lock_guard lock(heal_mutex_);
    if (heals_.size() < most_heals) {
        heals_.push_back(range);
    }
    // One for all that come until they are taken.
    if (heals_.size() == 1 && heal_wanted_) {
        heal_wanted_();
    }
}

void State::on_heal(std::function<void()> wake)
{
    const std::lock_guard lock(heal_mutex_);
    heal_wanted_ = std::move(wake);
}

void State::wake_worker()
{
    const std::lock_guard lock(heal_mutex_);
    if (heal_wanted_) {
        heal_wanted_();
    }
}

std::vector<ByteRange> State::take_heals()
{
    const std::lock_guard lock(heal_mutex_);
    return std::exchange(heals_, {});
}

std::string_view to_string(Fault fault)
{
    switch (fault) {
    case Fault::read: return "read";
    case Fault::write: return "write";
    case Fault::flush: return "flush";
    }
    return "unknown";
}

}  // namespace resilience::quorum
