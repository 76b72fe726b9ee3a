// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/device/pending.h"
#include "common/device/pieces.h"

namespace resilience::replication {

namespace {

StreamOptions stream_options(const Options& options)
{
    StreamOptions result;
    const bool sync = options.protocol == Protocol::sync;
    result.wait_when_full = sync || options.backlog_full == BacklogFull::wait;
    result.backlog_bytes = options.backlog_bytes;
    result.backlog_age = options.backlog_age;
    result.timeout = options.timeout;
    if (sync) {
        result.linger = Duration::zero();  // somebody waits for each of them
    }
    return result;
}

}  // namespace

PrimaryDevice::PrimaryDevice(const Options& options, std::shared_ptr<Device> local,
                             std::unique_ptr<ChangeMap> map, Clock& clock)
    : BlockingDevice("replication"), sync_(options.protocol == Protocol::sync),
      timeout_(options.timeout),
      alignment_(std::max<std::uint64_t>(local->block_limits().minimum, 1)),
      local_(std::move(local)), map_(std::move(map)), clock_(clock), lock_(clock),
      stream_(stream_options(options), local_->size(), clock), since_(local_->size(), granularity)
{
    // Before a write that the secondary has not got can be acknowledged, the
    // gate has its question: perhaps it was promoted.
    stream_.on_doubt([this] { doubt(); });
    stream_.on_trouble([this](bool) {
        if (on_ask_) {
            on_ask_();
        }
    });
}

Capabilities PrimaryDevice::capabilities() const
{
    Capabilities c = local_->capabilities();
    c.trim = c.zero;  // a trim is carried out as a zero, so that the disks stay equal
    return c;
}

int PrimaryDevice::execute(Request& request)
{
    switch (request.op) {
    case Op::write:
    case Op::zero:
    case Op::trim: return modify(request);
    case Op::flush: return flush(request);
    case Op::read: counters_.reads.fetch_add(1, std::memory_order_relaxed); break;
    case Op::cache:
    case Op::extents: break;
    }
    return gate() == Gate::shut ? EIO : local_->execute(request);
}

// ---- the gate

Gate PrimaryDevice::gate() const
{
    return gate_.load(std::memory_order_acquire);
}

void PrimaryDevice::set_gate(Gate gate)
{
    const std::lock_guard lock(gate_mutex_);
    if (gate_ != Gate::fenced) {
        gate_ = gate;
    }
    gate_changed_.notify_all();
}

void PrimaryDevice::accept()
{
    {
        const std::lock_guard lock(gate_mutex_);
        accepted_ = true;
    }
    set_gate(Gate::open);
}

bool PrimaryDevice::accepted() const
{
    const std::lock_guard lock(gate_mutex_);
    return accepted_;
}

void PrimaryDevice::doubt()
{
    const std::lock_guard lock(gate_mutex_);
    if (gate_ == Gate::open) {
        gate_ = Gate::asking;
    }
}

void PrimaryDevice::ask()
{
    doubt();
    if (on_ask_) {
        on_ask_();
    }
}

/// 0 if a change may be carried out.
int PrimaryDevice::pass_gate()
{
    if (gate() == Gate::open) {
        return 0;
    }
    std::unique_lock lock(gate_mutex_);
    clock_.wait_until(gate_changed_, lock, clock_.now() + timeout_,
                      [this] { return gate_ != Gate::asking; });
    // Silence for a whole timeout: a secondary that is lost, as any other.
    const bool may = gate_ == Gate::open || (gate_ == Gate::asking && accepted_);
    if (!may) {
        counters_.refused.fetch_add(1, std::memory_order_relaxed);
    }
    return may ? 0 : EIO;
}

// ---- changes

TimePoint PrimaryDevice::disk_deadline() const
{
    // Who holds a range holds it for one local request, and the room of the
    // backlog is waited for before; and a flush makes progress.  So this passes
    // only if the disk hangs.
    return clock_.now() + 3 * timeout_;
}

RangeLock::Guard PrimaryDevice::lock(ByteRange range)
{
    return lock_.acquire(range.begin / alignment_ * alignment_,
                         (range.end + alignment_ - 1) / alignment_ * alignment_,
                         LockMode::exclusive, disk_deadline());
}

Change PrimaryDevice::change_of(const Request& request, bool with_data) const
{
    Change change;
    change.op = request.op;
    change.range = {request.offset, request.end()};
    change.may_trim = request.flags.may_trim;
    if (request.op == Op::write && with_data) {
        change.data = take_buffer(request.length);
        std::memcpy(change.data.memory.get(), request.from.data(), request.length);
    }
    return change;
}

int PrimaryDevice::carry_out(Request& request, ByteRange range, RangeLock::Guard guard)
{
    // A range that is known to be missed need not be copied to be forgotten.
    const auto give = [&](bool waits) {
        return stream_.append(change_of(request, stream_.sends(range)), waits);
    };
    const bool first = sync_ && !request.flags.fast_zero;
    const Stream::Ticket ticket = first ? give(true) : 0;
    const int error = local_->execute(request);
    if (error == ENOTSUP && request.flags.fast_zero) {
        return error;  // nothing has changed
    }
    if (error != 0) {
        // It may hold the old content, the new one or a mixture.
        counters_.local_errors.fetch_add(1, std::memory_order_relaxed);
        stream_.mark_missed(range);
    } else if (!first) {
        give(false);
    }
    guard.release();  // the stream keeps the order from here on
    if (first) {
        // Not there: it was refused, or missed because something before it was.
        // If that is because the secondary was promoted, this is not acknowledged.
        const int answer = ticket != 0 ? stream_.wait(ticket) : ENOTCONN;
        if (answer != 0 && answer != ETIMEDOUT && pass_gate() != 0) {
            return EIO;
        }
    }
    return error;
}

int PrimaryDevice::modify_piece(Request& request)
{
    if (const int error = pass_gate()) {
        return error;
    }
    stream_.wait_for_room();
    const ByteRange range{request.offset, request.end()};
    RangeLock::Guard guard = lock(range);
    if (!guard || gate() == Gate::fenced) {
        return EIO;
    }
    // In this order: ChangeMap::retain() looks at `since_` to know what to keep.
    since_.set(range);
    if (const int error = map_->set(range)) {
        counters_.local_errors.fetch_add(1, std::memory_order_relaxed);
        return error;
    }
    return carry_out(request, range, std::move(guard));
}

int PrimaryDevice::modify(Request& original)
{
    counters_.writes.fetch_add(1, std::memory_order_relaxed);
    if (!capabilities().writable) {
        return EROFS;
    }
    return in_pieces(original, [this](Request& piece) { return modify_piece(piece); });
}

int PrimaryDevice::flush(Request& request)
{
    counters_.flushes.fetch_add(1, std::memory_order_relaxed);
    if (const int error = pass_gate()) {
        return error;
    }
    if (const int error = local_->execute(request)) {
        counters_.local_errors.fetch_add(1, std::memory_order_relaxed);
        return error;
    }
    return on_flush_ ? on_flush_() : 0;
}

// ---- for the session's thread

int PrimaryDevice::ask_local(Request& request, TimePoint deadline)
{
    const auto ended = [failed = late_flush_error_, op = request.op](int error, bool late) {
        if (late && error != 0 && op == Op::flush) {
            *failed = error;
        }
    };
    Pending pending(*local_, request, ended, clock_);
    const int error = pending.wait_until(deadline).value_or(ETIMEDOUT);
    if (error == 0 && request.op == Op::read) {
        std::ranges::copy(pending.data(), request.into.begin());
    } else if (error == 0 && request.op == Op::extents) {
        request.extents = pending.take_extents();
    }
    return error;
}

int PrimaryDevice::ask_local(Request& request)
{
    return ask_local(request, clock_.now() + timeout_);
}

int PrimaryDevice::flush_local()
{
    Request request;
    request.op = Op::flush;
    const int error = ask_local(request, disk_deadline());
    // The kernel tells of a failed sync once: whoever left it behind has to hear it.
    const int before = late_flush_error_->exchange(0);
    return error != 0 ? error : before;
}

// ---- checkpoints

bool PrimaryDevice::begin_checkpoint(TimePoint deadline)
{
    const RangeLock::Guard everything = lock_.acquire_all(deadline);
    if (!everything || !stream_.place_barrier()) {
        return false;
    }
    since_.clear_all();
    return true;
}

}  // namespace resilience::replication
