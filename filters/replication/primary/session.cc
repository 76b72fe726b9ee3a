// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace resilience::replication {

using std::chrono::milliseconds;

std::string_view to_string(SessionStatus::Phase phase)
{
    switch (phase) {
    case SessionStatus::Phase::stopped: return "stopped";
    case SessionStatus::Phase::connecting: return "connecting";
    case SessionStatus::Phase::copying: return "copying";
    case SessionStatus::Phase::in_sync: return "in-sync";
    case SessionStatus::Phase::fenced: return "fenced";
    }
    return "unknown";
}

PrimarySession::PrimarySession(const Options& options, PrimaryDevice& device, PeerLink& peer,
                               const Identity& identity, Tell tell)
    : options_(options), device_(device), peer_(peer), clock_(device.clock()),
      tell_(std::move(tell)), peer_lock_(clock_),
      checkpoint_lock_(clock_), identity_(identity)
{
    const bool ours = device.map().pair() == identity.pair;
    base_ = std::max(identity.checkpoint, ours ? device.map().checkpoint() : 0);
    status_.checkpoint = base_;
}

// ---- exchanges

std::uint64_t PrimarySession::session() const
{
    const std::lock_guard lock(mutex_);
    return status_.session;
}

void PrimarySession::heard(const wire::Status& status)
{
    const std::lock_guard lock(mutex_);
    status_.peer = status;
    status_.heard = clock_.now();
}

void PrimarySession::fail(const std::string& what)
{
    const std::lock_guard lock(mutex_);
    status_.last_error = what;
}

void PrimarySession::set_phase(SessionStatus::Phase phase, const std::string& reason)
{
    SessionStatus::Phase before;
    {
        const std::lock_guard lock(mutex_);
        before = std::exchange(status_.phase, phase);
        status_.reason = reason;
    }
    if (before != phase) {
        tell_("REPLICATION_PHASE",
              fmt::format("{} -> {}{}{}", to_string(before), to_string(phase),
                          reason.empty() ? "" : ": ", reason));
    }
}

/// For one use of peer_; empty if whoever has it does not end.
RangeLock::Guard PrimarySession::peer_turn()
{
    return peer_lock_.acquire_all(clock_.now() + 2 * options_.timeout);
}

std::optional<wire::Status> PrimarySession::exchange(
    wire::Kind kind, std::uint64_t session, const std::function<void(wire::Command&)>& fill)
{
    const auto turn = peer_turn();
    if (!turn) {
        return std::nullopt;
    }
    wire::Command command;
    command.kind = kind;
    command.session = session;
    command.device_size = device_.size();
    {
        const std::lock_guard lock(mutex_);
        command.sequence = ++sequence_;
        command.pair = identity_.pair;
        command.epoch = identity_.epoch;
    }
    if (fill) {
        fill(command);
    }
    auto status = peer_.command(command);
    if (status) {
        heard(*status);
    }
    if (!accepted(status)) {
        fail(fmt::format("{}: {}", wire::to_string(kind),
                         status ? status->text : peer_.error()));
        const std::lock_guard lock(mutex_);
        status_.unanswered += status ? 0 : 1;
    }
    return status;
}

// ---- the thread

/// Returns whether to come again at once.
bool PrimarySession::serve()
{
    Stream& stream = device_.stream();
    bool broken;
    bool refused;
    {
        const std::lock_guard lock(mutex_);
        broken = broken_;
        refused = std::exchange(refused_, false);
    }
    if (broken || !stream.is_open()) {
        if (refused) {
            device_.ask();  // one that is silent is lost, one that refuses may be promoted
        }
        end_session(broken ? status().last_error : stream.counters().last_error);
        retry_at_ = {};
        return true;
    }
    answer_the_gate();
    heartbeat();
    bool busy = false;
    if (stream.missed().any() && !syncing_ && !begin_sync(false)) {
        const std::lock_guard lock(mutex_);
        broken_ = true;
        return true;
    }
    if (syncing_) {
        busy = copy_some();
        forget_what_is_durable();
        if (!stream.missed().any()) {
            busy = end_sync() || busy;
        }
    } else {
        busy = checkpoint_if_due();
    }
    return busy;
}

void PrimarySession::enable(bool on)
{
    const std::lock_guard lock(mutex_);
    enabled_ = on;
    woken_ = true;
    changed_.notify_all();
}

bool PrimarySession::enabled() const
{
    const std::lock_guard lock(mutex_);
    return enabled_;
}

SessionStatus PrimarySession::status() const
{
    const std::lock_guard lock(mutex_);
    return status_;
}

void PrimarySession::wake()
{
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
}

TimePoint PrimarySession::step()
{
    const SessionStatus::Phase phase = status().phase;
    const TimePoint now = clock_.now();
    bool busy = false;
    if (phase != SessionStatus::Phase::fenced) {
        const bool connected = session() != 0;
        if (!enabled()) {
            if (connected) {
                exchange(wire::Kind::goodbye, session());
                end_session("replication was stopped");
            }
            set_phase(SessionStatus::Phase::stopped, "replication was stopped");
        } else if (!connected) {
            if (phase == SessionStatus::Phase::stopped) {
                set_phase(SessionStatus::Phase::connecting, "replication starts");
            }
            if (now >= retry_at_) {
                try_session();
                busy = session() != 0;
            }
        } else {
            busy = serve();
        }
    }
    forget_what_is_confirmed();
    if (now >= next_settle_) {
        next_settle_ = now + settle_interval;
        if (const int error = device_.map().settle()) {
            fail(fmt::format("the bitmap cannot be written: {}", std::strerror(error)));
        }
    }
    return next_step(busy);
}

TimePoint PrimarySession::next_step(bool busy)
{
    const TimePoint now = clock_.now();
    if (busy) {
        return now;
    }
    TimePoint next = now + idle_interval;
    if (syncing_) {
        next = std::min(next, std::max(next_copy_, now + milliseconds(1)));
    }
    if (options_.checkpoint_interval.count() != 0 && session() != 0) {
        next = std::min(next, std::max({next_interval_, next_try_, now + milliseconds(1)}));
    }
    return next;
}

void PrimarySession::run()
{
    for (;;) {
        const TimePoint next = step();
        std::unique_lock lock(mutex_);
        clock_.wait_until(changed_, lock, next, [this] { return stopping_ || woken_; });
        woken_ = false;
        if (stopping_) {
            break;
        }
    }
    if (const std::uint64_t open = session()) {
        exchange(wire::Kind::goodbye, open);
    }
    end_session("stopped");
}

void PrimarySession::stop()
{
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
}

}  // namespace resilience::replication
