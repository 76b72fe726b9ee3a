// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/copier.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/device/pending.h"

namespace resilience::replication {

namespace {

constexpr std::chrono::seconds retry_interval{1};
constexpr std::chrono::seconds durable_interval{5};

}  // namespace

Copier::Copier(const Options& options, PrimaryDevice& device, Dialog& dialog)
    : options_(options), device_(device), dialog_(dialog), clock_(device.clock())
{
}

Copier::Status Copier::status() const
{
    const std::lock_guard lock(mutex_);
    return status_;
}

void Copier::meet(bool first)
{
    first_ = first;
    cursor_ = 0;
    next_durable_ = clock_.now() + durable_interval;
}

bool Copier::accept(const std::optional<wire::Status>& answer)
{
    if (!accepted(answer)) {
        dialog_.give_up(answer.has_value());
    }
    return accepted(answer);
}

bool Copier::begin(bool full)
{
    // The marks that say what differs are durable: set() has seen to that.
    const std::uint64_t total = device_.stream().missed().marked_bytes();
    if (!accept(dialog_.command(wire::Kind::sync_begin, dialog_.session(),
                                [&](wire::Command& command) {
                                    command.flags = full ? wire::flag_full : 0;
                                    command.total = total;
                                }))) {
        return false;
    }
    running_ = true;
    const std::lock_guard lock(mutex_);
    status_.total = total;
    status_.done = 0;
    return true;
}

bool Copier::work(Device& secondary)
{
    const bool busy = copy_some();
    forget_what_is_durable(secondary);
    return busy;
}

bool Copier::end()
{
    Stream& stream = device_.stream();
    if (!stream.wait_copies(clock_.now() + options_.timeout) || stream.missed().any()) {
        return false;
    }
    report();
    if (!accept(dialog_.command(wire::Kind::sync_end, dialog_.session()))) {
        return false;
    }
    running_ = false;
    return true;
}

void Copier::report()
{
    const Status now = status();
    dialog_.command(wire::Kind::sync_progress, dialog_.session(), [&](wire::Command& command) {
        command.done = std::min(now.done, now.total);
        command.total = now.total;
    });
}

/// How many bytes from the start of `range` are known to be zeroes, in whole
/// granules.
std::uint64_t Copier::zeroes_at(ByteRange range)
{
    if (!device_.local().capabilities().extents) {
        return 0;
    }
    Request request;
    request.op = Op::extents;
    request.offset = range.begin;
    request.length = range.length();
    if (device_.ask_local(request) != 0) {
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
std::optional<std::uint64_t> Copier::copy_piece(ByteRange missed)
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
        if (const int error = device_.ask_local(request)) {
            dialog_.note(fmt::format("the local disk cannot be read at {}: {}", request.offset,
                                     std::strerror(error)));
            const std::lock_guard lock(mutex_);
            status_.read_errors++;
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
    status_.done += length;
    status_.holes += zero ? length : 0;
    return length;
}

bool Copier::copy_some()
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
        next_copy_ = now + retry_interval;
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

void Copier::forget_what_is_durable(Device& secondary)
{
    if (!first_ || clock_.now() < next_durable_) {
        return;
    }
    next_durable_ = clock_.now() + durable_interval;
    if (!device_.stream().wait_copies(clock_.now() + options_.timeout)) {
        return;
    }
    DirtyBitmap kept(device_.size(), granularity);
    for_each_marked(device_.stream().missed(), [&](ByteRange range) { kept.set(range); });
    Request request;
    request.op = Op::flush;
    Pending flush(secondary, request, {}, clock_);
    const auto error = flush.wait_until(clock_.now() + options_.timeout);
    if (!error || *error != 0) {
        dialog_.note(fmt::format("the secondary cannot flush: {}",
                                 error ? std::strerror(*error) : "no answer"));
    } else if (const int local = device_.flush_local()) {
        dialog_.note(fmt::format("the local disk cannot flush: {}", std::strerror(local)));
    } else {
        device_.map().retain(kept, device_.since());
    }
}

}  // namespace resilience::replication
