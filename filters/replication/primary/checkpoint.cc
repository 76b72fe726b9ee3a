// SPDX-License-Identifier: BSD-3-Clause

// PrimarySession: checkpoints, and what is known after them.

#include "filters/replication/primary/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "filters/replication/pair/pair.h"

namespace resilience::replication {

std::string PrimarySession::prepare_checkpoint(Turn& turn)
{
    const TimePoint deadline = clock_.now() + options_.timeout;
    turn.guard = checkpoint_lock_.acquire_all(deadline);
    if (!turn.guard) {
        return "another checkpoint is being made";
    }
    const SessionStatus now = status();
    if (now.phase != SessionStatus::Phase::in_sync || !device_.stream().complete()) {
        const std::uint64_t left = device_.stream().missed().marked_bytes();
        return fmt::format("the secondary is not in sync ({}{}{}; {} bytes to be copied)",
                           to_string(now.phase), now.reason.empty() ? "" : ": ", now.reason, left);
    }
    turn.session = now.session;
    // Most of what the checkpoint makes durable, before the guest's writes wait.
    device_.stream().flush(deadline);
    turn.began = clock_.now();
    if (!device_.begin_checkpoint(deadline)) {
        return "the secondary is not in sync, or requests of the guest do not end";
    }
    turn.barrier = true;
    {
        const std::lock_guard lock(mutex_);
        placed_++;
    }
    if (!device_.stream().wait_barrier(deadline)) {
        cancel_checkpoint(turn);
        return "the secondary was lost, or fell behind, before it had all";
    }
    // Nothing may have been on its way, so nothing is known of it yet.
    if (turn.moment != 0 && !is_there(turn.session)) {
        cancel_checkpoint(turn);
        return "the secondary does not answer";
    }
    return {};
}

/// Whether the secondary answers, in this session.
bool PrimarySession::is_there(std::uint64_t session)
{
    const auto turn = peer_turn();
    const auto status = turn ? peer_.status() : std::nullopt;
    if (status && status->session == session) {
        heard(*status);
        return true;
    }
    const std::lock_guard lock(mutex_);
    status_.unanswered += status ? 0 : 1;
    status_.last_error = status ? "the secondary has ended the session" : peer_.error();
    broken_ = true;
    return false;
}

void PrimarySession::cancel_checkpoint(Turn& turn)
{
    if (std::exchange(turn.barrier, false)) {
        device_.stream().lift_barrier();
    }
    turn.guard.release();
}

std::string PrimarySession::commit_checkpoint(Turn& turn)
{
    std::uint64_t number;
    {
        const std::lock_guard lock(mutex_);
        number = std::max(status_.checkpoint, status_.peer.checkpoint) + 1;
    }
    const auto answer = exchange(wire::Kind::checkpoint, turn.session,
                                 [&](wire::Command& command) {
                                     command.checkpoint = number;
                                     command.moment = turn.moment;
                                 });
    const bool made = accepted(answer);
    {
        const std::lock_guard lock(mutex_);
        if (made) {
            status_.checkpoint = number;
            status_.checkpoint_at = turn.began;
            status_.checkpoints++;
            confirmed_ = placed_;
        } else {
            status_.checkpoint_errors++;
            refused_ = answer && (answer->refusal == Refusal::no_session ||
                                  fences(answer->refusal));
            broken_ = broken_ || !answer || refused_;
        }
    }
    if (!answer) {
        // It may be carried out yet, and must not find later writes then: this
        // session is over, before the barrier is lifted.
        device_.stream().close(peer_.error());
    }
    cancel_checkpoint(turn);
    if (made) {
        return {};
    }
    wake();
    return fmt::format("the secondary has not made checkpoint {}: {}", number,
                       answer ? answer->text : peer_.error());
}

std::string PrimarySession::checkpoint()
{
    Turn turn;
    std::string error = prepare_checkpoint(turn);
    return error.empty() ? commit_checkpoint(turn) : error;
}

void PrimarySession::want_checkpoint(bool wait)
{
    std::unique_lock lock(mutex_);
    if (status_.phase != SessionStatus::Phase::in_sync) {
        status_.checkpoints_skipped++;
        return;
    }
    const std::uint64_t mine = ++wanted_;
    woken_ = true;
    changed_.notify_all();
    if (wait) {
        clock_.wait_until(changed_, lock, clock_.now() + options_.timeout,
                          [&] { return done_ >= mine || stopping_; });
    }
}

/// Under mutex_.
bool PrimarySession::is_checkpoint_due(TimePoint now)
{
    if (done_ != wanted_) {
        return true;
    }
    // Another disk of the group, or a person, may have had one made meanwhile.
    must_checkpoint_ = must_checkpoint_ && status_.checkpoints == made_then_;
    const Duration interval = options_.checkpoint_interval;
    const bool by_clock = interval.count() != 0 && now >= next_interval_ &&
                          now >= status_.checkpoint_at + interval;
    return (must_checkpoint_ || by_clock) && now >= next_try_;
}

bool PrimarySession::checkpoint_if_due()
{
    const TimePoint now = clock_.now();
    std::uint64_t wanted;
    {
        const std::lock_guard lock(mutex_);
        wanted = wanted_;
        if (!is_checkpoint_due(now)) {
            return false;
        }
    }
    const std::string error = make_checkpoint_ ? make_checkpoint_() : checkpoint();
    next_interval_ = now + options_.checkpoint_interval;
    must_checkpoint_ = must_checkpoint_ && !error.empty();
    if (make_checkpoint_ && !error.empty()) {
        // Each try holds back what the guests of all disks write.
        next_try_ = clock_.now() + group_retry_interval;
    }
    if (!error.empty()) {
        fail(error);
    }
    const std::lock_guard lock(mutex_);
    done_ = wanted;
    changed_.notify_all();
    return error.empty();
}

/// What is not marked must be the same on both disks, also after this side has
/// lost its power: so what it has itself is made durable first.
bool PrimarySession::flush_local()
{
    Request request;
    request.op = Op::flush;
    const int error = device_.local().execute(request);
    if (error != 0) {
        fail(fmt::format("the local disk cannot flush: {}", std::strerror(error)));
    }
    return error == 0;
}

/// Lazily, since it costs a sync: a mark too many does no harm.
void PrimarySession::forget_what_is_confirmed()
{
    std::uint64_t number;
    {
        const std::lock_guard lock(mutex_);
        if (forgotten_ == confirmed_ || confirmed_ != placed_) {
            return;
        }
        number = status_.checkpoint;
    }
    // All that the checkpoint has was written here before it was confirmed.
    if (!flush_local()) {
        return;
    }
    // No other checkpoint may begin now: it would start a new set of marks.
    const auto turn = checkpoint_lock_.acquire_all(clock_.now());
    const std::lock_guard lock(mutex_);
    if (!turn || confirmed_ != placed_ || number != status_.checkpoint) {
        return;
    }
    if (const int error = device_.map().set_base(identity_.pair, number)) {
        status_.last_error = fmt::format("the bitmap cannot be written: {}", std::strerror(error));
        return;
    }
    base_ = number;
    device_.map().retain(device_.since());
    forgotten_ = confirmed_;
}

void PrimarySession::heartbeat()
{
    if (clock_.now() < next_heartbeat_) {
        return;
    }
    next_heartbeat_ = clock_.now() + heartbeat_interval;
    if (syncing_) {
        report_progress();
        return;
    }
    const auto turn = peer_turn();
    const auto status = turn ? peer_.status() : std::nullopt;
    if (status) {
        heard(*status);
    }
    const std::lock_guard lock(mutex_);
    if (!status || status->session != status_.session || status->role != Role::secondary) {
        status_.unanswered += status ? 0 : 1;
        status_.last_error = status ? "the secondary has ended the session" : peer_.error();
        broken_ = true;
        refused_ = status.has_value();
    }
}

/// The guest waits for the secondary's word on who is the primary.
void PrimarySession::answer_the_gate()
{
    if (device_.gate() != Gate::asking) {
        return;
    }
    next_heartbeat_ = {};
    heartbeat();
    const std::lock_guard lock(mutex_);
    if (!broken_) {
        device_.accept();
    }
}

}  // namespace resilience::replication
