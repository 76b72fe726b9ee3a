// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/reference.h"

#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace resilience::blkverify {

namespace {

constexpr std::uint64_t unflushed_granularity = 64 << 10;

/// A server that dropped the connection with our writes in it may still be
/// carrying them out, and NBD has no way to ask.
constexpr std::chrono::milliseconds settle_time{500};

/// Whether an errno says that the other side is gone, not that it failed.
bool means_gone(int error) { return error == ENOTCONN || error == ESHUTDOWN; }

}  // namespace

Reference::Reference(std::shared_ptr<Device> device, Duration timeout, Observer& observer,
                     Clock& clock)
    : device_(std::move(device)), timeout_(timeout), observer_(observer), clock_(clock),
      forgets_(device_->capabilities().forgets_unflushed), untrusted_(device_->size()),
      unflushed_(device_->size(), unflushed_granularity)
{
}

std::string Reference::away_reason() const
{
    const std::lock_guard lock(mutex_);
    return away_reason_;
}

void Reference::lose(const std::string& reason)
{
    if (stopping_) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        if (!present_) {
            return;
        }
        present_ = false;
        away_reason_ = reason;
    }
    times_lost_++;
    observer_.reference_lost(reason);
}

/// All that was not flushed may be forgotten, also what is noted only later:
/// its epoch will be an old one.
void Reference::link_lost()
{
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    if (forgets_) {
        DirtyBitmap forgotten(device_->size(), unflushed_granularity);
        unflushed_.copy_to(forgotten);
        distrust_marked(forgotten);
    }
    lose(fmt::format("its link was lost: {}", device_->link_error()));
}

void Reference::Flight::ended(Op op, int error)
{
    if (error == ENOTCONN && modifies(op)) {
        write_cut_off = true;
    }
    requests.fetch_sub(1);
}

void Reference::housekeep()
{
    const Link link = device_->link();
    if (link == Link::up) {
        link_loss_noted_ = false;
    } else if (!link_loss_noted_) {
        link_loss_noted_ = true;
        link_lost();
    }
    if (present() || in_flight() > 0) {
        return;
    }
    // Only now: the last request to end may have been a write that was cut off.
    if (flight_->write_cut_off.exchange(false)) {
        rejoin_at_ = clock_.now() + settle_time;
    }
    if (clock_.now() < rejoin_at_) {
        return;
    }
    if (link == Link::returned) {
        link_loss_noted_ = false;  // the next loss is a new one
        device_->resume();
    }
    if (device_->link() != Link::up) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        present_ = true;
        away_reason_.clear();
    }
    observer_.reference_back(untrusted_bytes());
}

std::vector<ByteRange> Reference::trusted(ByteRange range) const
{
    if (!any_untrusted_.load(std::memory_order_acquire)) {
        return {range};
    }
    const std::lock_guard lock(mutex_);
    return untrusted_.gaps(range);
}

std::uint64_t Reference::untrusted_bytes() const
{
    const std::lock_guard lock(mutex_);
    return untrusted_.bytes();
}

void Reference::distrust(ByteRange range)
{
    const std::lock_guard lock(mutex_);
    untrusted_.add(range);
    any_untrusted_.store(!untrusted_.empty(), std::memory_order_release);
}

void Reference::distrust_marked(const DirtyBitmap& marked)
{
    for_each_marked(marked, [&](ByteRange range) { distrust(range); });
}

void Reference::wrote(ByteRange range, std::uint64_t epoch, bool durable)
{
    if (forgets_ && !durable) {
        unflushed_.mark(range);
    }
    if (any_untrusted_.load(std::memory_order_acquire)) {
        const std::lock_guard lock(mutex_);
        untrusted_.remove(range);
        any_untrusted_.store(!untrusted_.empty(), std::memory_order_release);
    }
    // The order matters.  link_lost() counts the epoch up, and then distrusts
    // what is marked.  If it came before our mark, or between the mark and the
    // removal, the epoch tells.
    if (this->epoch() != epoch) {
        distrust(range);
    }
}

void Reference::flush_ends(const UnflushedMap::Taken& taken, std::uint64_t epoch, bool ok)
{
    if (ok && this->epoch() == epoch) {
        return;
    }
    unflushed_.put_back(taken);
    if (this->epoch() != epoch) {
        // As in wrote(): what was taken away was not there to be distrusted.
        DirtyBitmap forgotten(device_->size(), unflushed_granularity);
        unflushed_.copy_to(forgotten, taken);
        distrust_marked(forgotten);
    }
}

ReferenceCall::ReferenceCall(Reference& reference, const Request& request)
    : reference_(reference), epoch_(reference.epoch()), begun_at_(reference.clock_.now()),
      op_(request.op), range_{request.offset, request.end()}
{
    if (reference_.device().immediate(request.op)) {
        try_now(request);
    }
    if (result_) {
        return;
    }
    reference_.flight_->requests.fetch_add(1);
    pending_.emplace(
        reference_.device(), request,
        [flight = reference_.flight_, op = op_](int error, bool) { flight->ended(op, error); },
        reference_.clock_);
}

void ReferenceCall::try_now(const Request& request)
{
    Request now = request;
    if (request.op == Op::read) {
        buffer_ = take_buffer(request.length);
        now.into = buffer_.span();
    }
    result_ = reference_.device().execute_now(now);
    ended_at_ = reference_.clock_.now();
}

std::optional<int> ReferenceCall::finish()
{
    if (!pending_) {
        return result_;
    }
    result_ = pending_->wait_until(begun_at_ + reference_.timeout_);
    if (!result_) {
        reference_.lose(fmt::format(
            "{} offset={} bytes={} was not answered within {:.3g} s", to_string(op_),
            range_.begin, range_.length(),
            std::chrono::duration<double>(reference_.timeout_).count()));
        return std::nullopt;
    }
    ended_at_ = pending_->answered_at();
    if (means_gone(*result_)) {
        reference_.lose(fmt::format("its link was lost: {}", reference_.device().link_error()));
        return std::nullopt;
    }
    return result_;
}

std::span<const std::byte> ReferenceCall::data() const
{
    return pending_ ? pending_->data() : std::span<const std::byte>(buffer_.span());
}

}  // namespace resilience::blkverify
