// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/checkpoints.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "filters/replication/pair/pair.h"

namespace resilience::replication {

namespace {

constexpr std::chrono::milliseconds group_retry_interval{500};

}  // namespace

Checkpoints::Checkpoints(const Options& options, PrimaryDevice& device, Dialog& dialog,
                         std::uint64_t last, Hooks hooks)
    : options_(options), device_(device), dialog_(dialog), clock_(device.clock()),
      hooks_(std::move(hooks)), turns_(clock_)
{
    status_.last = last;
}

Checkpoints::Status Checkpoints::status() const
{
    const std::lock_guard lock(mutex_);
    return status_;
}

void Checkpoints::Turn::cancel() noexcept
{
    if (Stream* const stream = std::exchange(stream_, nullptr)) {
        if (unanswered_) {
            // It may be carried out yet, and must not find later writes then: the
            // session is over, before the barrier is lifted.
            stream->close("a checkpoint was not answered");
        }
        stream->lift_barrier();
    }
    guard_.release();
}

std::string Checkpoints::prepare(Turn& turn)
{
    const TimePoint deadline = clock_.now() + options_.timeout;
    turn.guard_ = turns_.acquire_all(deadline);
    if (!turn.guard_) {
        return "another checkpoint is being made";
    }
    Stream& stream = device_.stream();
    const std::string obstacle = hooks_.obstacle();
    turn.session_ = dialog_.session();
    if (!obstacle.empty() || !stream.complete()) {
        return fmt::format("the secondary is not in sync ({}; {} bytes to be copied)",
                           obstacle.empty() ? "in-sync" : obstacle,
                           stream.missed().marked_bytes());
    }
    // Most of what the checkpoint makes durable, before the guest's writes wait.
    stream.flush(deadline);
    turn.began_ = clock_.now();
    if (!device_.begin_checkpoint(deadline)) {
        return "the secondary is not in sync, or requests of the guest do not end";
    }
    turn.stream_ = &stream;
    {
        const std::lock_guard lock(mutex_);
        placed_++;
    }
    std::string error;
    if (!stream.wait_barrier(deadline)) {
        error = "the secondary was lost, or fell behind, before it had all";
    } else if (turn.moment_ != 0 && !dialog_.is_there(turn.session_)) {
        // Nothing may have been on its way, so nothing was known of it yet.
        error = "the secondary does not answer";
    }
    if (!error.empty()) {
        turn.cancel();
    }
    return error;
}

std::string Checkpoints::commit(Turn& turn)
{
    const std::uint64_t known = dialog_.status().peer.checkpoint;
    const std::uint64_t number = std::max(status().last, known) + 1;
    turn.unanswered_ = true;
    const auto answer = dialog_.command(wire::Kind::checkpoint, turn.session_,
                                        [&](wire::Command& command) {
                                            command.checkpoint = number;
                                            command.moment = turn.moment_;
                                        });
    turn.unanswered_ = !answer;
    const bool made = accepted(answer);
    {
        const std::lock_guard lock(mutex_);
        if (made) {
            status_.last = number;
            status_.last_at = turn.began_;
            status_.made++;
            confirmed_ = placed_;
        } else {
            status_.errors++;
        }
    }
    const bool refused =
        answer && (answer->refusal == Refusal::no_session || fences(answer->refusal));
    if (!answer || refused) {
        dialog_.give_up(refused);
    }
    turn.cancel();
    if (made) {
        return {};
    }
    hooks_.wake();
    return fmt::format("the secondary has not made checkpoint {}: {}", number,
                       answer ? answer->text : dialog_.silence());
}

std::string Checkpoints::make()
{
    Turn turn;
    const std::string error = prepare(turn);
    return error.empty() ? commit(turn) : error;
}

void Checkpoints::want(bool wait)
{
    const bool in_sync = hooks_.obstacle().empty();
    std::unique_lock lock(mutex_);
    if (!in_sync) {
        status_.skipped++;
        return;
    }
    const std::uint64_t mine = ++wanted_;
    hooks_.wake();
    if (wait) {
        clock_.wait_until(changed_, lock, clock_.now() + options_.timeout,
                          [&] { return done_ >= mine || stopping_; });
    }
}

void Checkpoints::stop()
{
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
}

void Checkpoints::meet()
{
    must_ = false;
    next_interval_ = clock_.now() + options_.checkpoint_interval;
}

void Checkpoints::must()
{
    must_ = true;
    made_then_ = status().made;
    next_try_ = {};
}

/// Under mutex_.
bool Checkpoints::is_due(TimePoint now)
{
    if (done_ != wanted_) {
        return true;
    }
    // Another disk of the group, or a person, may have had one made meanwhile.
    must_ = must_ && status_.made == made_then_;
    const Duration interval = options_.checkpoint_interval;
    const bool by_clock = interval.count() != 0 && now >= next_interval_ &&
                          now >= status_.last_at + interval;
    return (must_ || by_clock) && now >= next_try_;
}

bool Checkpoints::make_if_due()
{
    const TimePoint now = clock_.now();
    std::uint64_t wanted;
    {
        const std::lock_guard lock(mutex_);
        wanted = wanted_;
        if (!is_due(now)) {
            return false;
        }
    }
    const std::string error = make_ ? make_() : make();
    next_interval_ = now + options_.checkpoint_interval;
    must_ = must_ && !error.empty();
    if (!error.empty()) {
        if (make_) {
            // Each try holds back what the guests of all disks write.
            next_try_ = clock_.now() + group_retry_interval;
        }
        dialog_.note(error);
    }
    const std::lock_guard lock(mutex_);
    done_ = wanted;
    changed_.notify_all();
    return error.empty();
}

std::optional<std::uint64_t> Checkpoints::forget()
{
    std::uint64_t number;
    {
        const std::lock_guard lock(mutex_);
        if (forgotten_ == confirmed_ || confirmed_ != placed_) {
            return std::nullopt;
        }
        number = status_.last;
    }
    // All that the checkpoint has was written here before it was confirmed.
    if (const int error = device_.flush_local()) {
        dialog_.note(fmt::format("the local disk cannot flush: {}", std::strerror(error)));
        return std::nullopt;
    }
    // No other checkpoint may begin now: it would start a new set of marks.
    const auto turn = turns_.acquire_all(clock_.now());
    const std::lock_guard lock(mutex_);
    if (!turn || confirmed_ != placed_ || number != status_.last) {
        return std::nullopt;
    }
    if (const int error = device_.map().set_base(dialog_.identity().pair, number)) {
        dialog_.note(fmt::format("the bitmap cannot be written: {}", std::strerror(error)));
        return std::nullopt;
    }
    device_.map().retain(device_.since());
    forgotten_ = confirmed_;
    return number;
}

}  // namespace resilience::replication
