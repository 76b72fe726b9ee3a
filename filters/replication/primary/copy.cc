// SPDX-License-Identifier: BSD-3-Clause

// PrimarySession: what the secondary misses is copied.

#include "filters/replication/primary/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/device/pending.h"

namespace resilience::replication {

using std::chrono::milliseconds;

bool PrimarySession::begin_sync(bool full)
{
    // The marks that say what differs are durable: set() has seen to that.
    const std::uint64_t total = device_.stream().missed().marked_bytes();
    const auto begun = exchange(wire::Kind::sync_begin, session(), [&](wire::Command& command) {
        command.flags = full ? wire::flag_full : 0;
        command.total = total;
    });
    if (!accepted(begun)) {
        const std::lock_guard lock(mutex_);
        refused_ = begun.has_value();
        return false;
    }
    syncing_ = true;
    {
        const std::lock_guard lock(mutex_);
        status_.copy_total = total;
        status_.copied = 0;
    }
    set_phase(SessionStatus::Phase::copying,
              full ? "the secondary gets everything" : "the secondary gets what it missed");
    return true;
}

/// How many bytes from the start of `range` are known to be zeroes, in whole
/// granules.
std::uint64_t PrimarySession::zeroes_at(ByteRange range)
{
    if (!device_.local().capabilities().extents) {
        return 0;
    }
    Request request;
    request.op = Op::extents;
    request.offset = range.begin;
    request.length = range.length();
    if (device_.local().execute(request) != 0) {
        return 0;
    }
    std::uint64_t zeroes = 0;
    for (const Extent& extent : request.extents) {
        if (!extent.zero) {
            break;
        }
        zeroes += extent.length;
    }
    return zeroes >= range.length() ? range.length() : zeroes / granularity * granularity;
}

/// How many bytes from the start of `missed` are on their way now; nullopt if
/// that failed.
std::optional<std::uint64_t> PrimarySession::copy_piece(ByteRange missed)
{
    constexpr std::uint64_t largest_copy = 1 << 20;
    const RangeLock::Guard guard = device_.lock(missed);
    if (!guard) {
        return std::nullopt;
    }
    Change change;
    change.range = missed;
    if (const std::uint64_t zeroes = zeroes_at(missed)) {
        change.op = Op::zero;
        change.may_trim = true;
        change.range.end = missed.begin + zeroes;
    } else {
        change.range.end = std::min(missed.end, missed.begin + largest_copy);
        change.data = take_buffer(change.range.length());
        Request request;
        request.offset = change.range.begin;
        request.length = change.range.length();
        request.into = change.data.span().first(request.length);
        if (const int error = device_.local().execute(request)) {
            const std::lock_guard lock(mutex_);
            status_.read_errors++;
            status_.last_error = fmt::format("the local disk cannot be read at {}: {}",
                                             request.offset, std::strerror(error));
            return std::nullopt;
        }
    }
    const std::uint64_t length = change.range.length();
    const bool zero = change.op == Op::zero;
    cursor_ = change.range.end;
    if (!device_.stream().append_copy(std::move(change))) {
        return std::nullopt;
    }
    const std::lock_guard lock(mutex_);
    status_.copied += length;
    status_.zeroes_skipped += zero ? length : 0;
    return length;
}

/// Keeps the stream busy with copies.  Returns whether to come again at once.
bool PrimarySession::copy_some()
{
    constexpr std::uint64_t most_on_the_way = 4 << 20;
    constexpr std::uint64_t largest_hole = 32 << 20;
    Stream& stream = device_.stream();
    const TimePoint now = clock_.now();
    if (now < next_copy_ || stream.copy_bytes() >= most_on_the_way) {
        return false;
    }
    auto missed = stream.missed().next_marked(cursor_, largest_hole);
    if (!missed && cursor_ != 0) {
        cursor_ = 0;
        missed = stream.missed().next_marked(0, largest_hole);
    }
    if (!missed) {
        return false;
    }
    const auto copied = copy_piece(*missed);
    if (!copied) {
        cursor_ = missed->end;  // one bad place must not keep the rest from being copied
        next_copy_ = now + 10 * idle_interval;
        return false;
    }
    if (options_.resync_rate != 0) {
        const auto bytes = static_cast<double>(*copied);
        next_copy_ = std::max(next_copy_, now) +
                     std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
                         bytes / static_cast<double>(options_.resync_rate)));
    }
    return true;
}

/// Waits until no copy is on its way.
bool PrimarySession::drain_copies()
{
    const TimePoint deadline = clock_.now() + options_.timeout;
    Stream& stream = device_.stream();
    while (stream.is_open() && stream.copy_bytes() > 0) {
        if (clock_.now() > deadline) {
            return false;
        }
        std::unique_lock lock(mutex_);
        if (clock_.wait_until(changed_, lock, clock_.now() + milliseconds(1),
                              [this] { return stopping_; })) {
            return false;
        }
    }
    return stream.is_open();
}

/// The first copy: there is no checkpoint to go back to, so what the secondary
/// has durably need not be copied again, whatever happens.
void PrimarySession::forget_what_is_durable()
{
    if (!full_ || clock_.now() < next_durable_ || !data_) {
        return;
    }
    next_durable_ = clock_.now() + 5 * settle_interval;
    if (!drain_copies()) {
        return;
    }
    DirtyBitmap kept(device_.size(), granularity);
    std::uint64_t at = 0;
    while (const auto range = device_.stream().missed().next_marked(at, device_.size())) {
        kept.set(*range);
        at = range->end;
    }
    Request request;
    request.op = Op::flush;
    Pending flush(*data_, request, {}, clock_);
    const auto error = flush.wait_until(clock_.now() + options_.timeout);
    if (!error || *error != 0) {
        fail(fmt::format("the secondary cannot flush: {}",
                         error ? std::strerror(*error) : "no answer"));
        return;
    }
    if (flush_local()) {
        device_.map().retain(kept, device_.since());
        next_settle_ = {};
    }
}

bool PrimarySession::end_sync()
{
    if (!drain_copies() || device_.stream().missed().any()) {
        return false;
    }
    report_progress();
    const auto ended = exchange(wire::Kind::sync_end, session());
    if (!accepted(ended)) {
        const std::lock_guard lock(mutex_);
        broken_ = true;
        refused_ = ended.has_value();
        return false;
    }
    syncing_ = false;
    must_checkpoint_ = true;
    made_then_ = status().checkpoints;
    next_try_ = {};
    set_phase(SessionStatus::Phase::in_sync, {});
    return true;
}

void PrimarySession::report_progress()
{
    const SessionStatus now = status();
    exchange(wire::Kind::sync_progress, now.session, [&](wire::Command& command) {
        command.done = std::min(now.copied, now.copy_total);
        command.total = now.copy_total;
    });
}

}  // namespace resilience::replication
