// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"

namespace resilience::replication {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds heartbeat_interval{1000};
constexpr milliseconds settle_interval{1000};
constexpr milliseconds idle_interval{100};
constexpr milliseconds first_retry{100};
constexpr milliseconds longest_retry{2000};
constexpr milliseconds goodbye_limit{200};

}  // namespace

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
    : options_(options), device_(device), clock_(device.clock()), tell_(std::move(tell)),
      dialog_(peer, identity, device.size(), options.timeout, clock_),
      handshake_(options, device, dialog_), copier_(options, device, dialog_),
      checkpoints_(options, device, dialog_, handshake_.base(),
                   {[this] { return obstacle(); }, [this] { wake(); }})
{
}

// ---- from any thread

void PrimarySession::enable(bool on)
{
    const std::lock_guard lock(mutex_);
    enabled_ = on;
    woken_ = true;
    changed_.notify_all();
}

void PrimarySession::wake()
{
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
}

void PrimarySession::stop()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    checkpoints_.stop();
}

SessionStatus PrimarySession::status() const
{
    SessionStatus status;
    status.dialog = dialog_.status();
    status.copy = copier_.status();
    status.checkpoints = checkpoints_.status();
    const std::lock_guard lock(mutex_);
    status.phase = phase_;
    status.reason = reason_;
    return status;
}

bool PrimarySession::enabled() const
{
    const std::lock_guard lock(mutex_);
    return enabled_;
}

SessionStatus::Phase PrimarySession::phase() const
{
    const std::lock_guard lock(mutex_);
    return phase_;
}

/// Why no checkpoint can be made; empty if it can.
std::string PrimarySession::obstacle() const
{
    const std::lock_guard lock(mutex_);
    return phase_ == Phase::in_sync
               ? std::string()
               : fmt::format("{}{}{}", to_string(phase_), reason_.empty() ? "" : ": ", reason_);
}

void PrimarySession::set_phase(Phase phase, const std::string& reason)
{
    Phase before;
    {
        const std::lock_guard lock(mutex_);
        reason_ = reason;
        before = std::exchange(phase_, phase);
    }
    if (before != phase) {
        tell_("REPLICATION_PHASE",
              fmt::format("{} -> {}{}{}", to_string(before), to_string(phase),
                          reason.empty() ? "" : ": ", reason));
    }
}

// ---- the begin and the end of a session

void PrimarySession::try_session()
{
    const Handshake::Result met = handshake_.begin();
    if (met.then == Handshake::Result::Then::fenced) {
        fence(met.text);
        return;
    }
    const bool accepted = met.then == Handshake::Result::Then::accepted;
    if (accepted && begin_data(met)) {
        failures_ = 0;
        device_.accept();
        return;
    }
    end_session(accepted ? dialog_.last_error() : met.text);
    // The question of the gate is answered: the secondary cannot be reached, so
    // it is lost as any other.
    if (device_.gate() == Gate::asking && device_.accepted()) {
        device_.set_gate(Gate::open);
    }
    retry_at_ = clock_.now() + std::min(first_retry * (1 << std::min(failures_++, 5U)),
                                        longest_retry);
}

bool PrimarySession::begin_data(const Handshake::Result& met)
{
    Stream& stream = device_.stream();
    const wire::Status& answer = met.answer;
    copier_.meet(met.full || !answer.consistent);
    checkpoints_.meet();
    if (!answer.consistent) {
        checkpoints_.must();
    }
    // Also when nothing is left to copy, but it does not know that yet.
    if ((met.full || answer.syncing || stream.missed().any()) && !begin_copy(met.full)) {
        return false;
    }
    data_ = dialog_.open_data();
    if (!data_) {
        return false;
    }
    stream.open(data_);
    next_heartbeat_ = clock_.now() + heartbeat_interval;
    if (!copier_.running()) {
        set_phase(Phase::in_sync, {});
    }
    return true;
}

bool PrimarySession::begin_copy(bool full)
{
    if (!copier_.begin(full)) {
        return false;
    }
    set_phase(Phase::copying,
              full ? "the secondary gets everything" : "the secondary gets what it missed");
    return true;
}

void PrimarySession::end_session(const std::string& why)
{
    device_.stream().close(why);
    if (const auto data = std::exchange(data_, nullptr)) {
        data->stop(goodbye_limit);
    }
    copier_.abandon();
    dialog_.end();
    set_phase(Phase::connecting, why);
}

void PrimarySession::fence(const std::string& why)
{
    device_.set_gate(Gate::fenced);
    end_session(why);
    log::error("{}: fenced, nothing is acknowledged any more: {}", options_.name, why);
    set_phase(Phase::fenced, why);
    tell_("REPLICATION_FENCED", why);
}

// ---- in a session

/// Returns whether to come again at once.
bool PrimarySession::serve()
{
    Stream& stream = device_.stream();
    const bool given_up = dialog_.given_up();
    const bool refused = dialog_.take_refusal();
    if (given_up || !stream.is_open()) {
        if (refused) {
            device_.ask();  // one that is silent is lost, one that refuses may be promoted
        }
        end_session(given_up ? dialog_.last_error() : stream.counters().last_error);
        retry_at_ = {};
        return true;
    }
    answer_the_gate();
    heartbeat();
    if (stream.missed().any() && !copier_.running() && !begin_copy(false)) {
        return true;
    }
    return copier_.running() ? copy() : checkpoints_.make_if_due();
}

bool PrimarySession::copy()
{
    const bool busy = copier_.work(*data_);
    if (device_.stream().missed().any() || !copier_.end()) {
        return busy;
    }
    checkpoints_.must();
    set_phase(Phase::in_sync, {});
    return true;
}

void PrimarySession::heartbeat()
{
    if (clock_.now() < next_heartbeat_) {
        return;
    }
    next_heartbeat_ = clock_.now() + heartbeat_interval;
    if (copier_.running()) {
        copier_.report();
    } else {
        dialog_.is_there(dialog_.session());
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
    if (!dialog_.given_up()) {
        device_.accept();
    }
}

// ---- the thread

void PrimarySession::advance(bool& busy)
{
    const bool connected = dialog_.session() != 0;
    if (!enabled()) {
        if (connected) {
            dialog_.command(wire::Kind::goodbye, dialog_.session());
            end_session("replication was stopped");
        }
        set_phase(Phase::stopped, "replication was stopped");
    } else if (connected) {
        busy = serve();
    } else {
        if (phase() == Phase::stopped) {
            set_phase(Phase::connecting, "replication starts");
        }
        if (clock_.now() >= retry_at_) {
            try_session();
            busy = dialog_.session() != 0;
        }
    }
}

TimePoint PrimarySession::step()
try {
    const TimePoint now = clock_.now();
    bool busy = false;
    if (phase() != Phase::fenced) {
        advance(busy);
    }
    if (const auto number = checkpoints_.forget()) {
        handshake_.rebase(*number);
    }
    if (now >= next_settle_) {
        next_settle_ = now + settle_interval;
        if (const int error = device_.map().settle()) {
            dialog_.note(fmt::format("the bitmap cannot be written: {}", std::strerror(error)));
        }
    }
    return next_step(busy);
} catch (...) {
    dialog_.give_up(false);
    throw;
}

TimePoint PrimarySession::next_step(bool busy)
{
    const TimePoint now = clock_.now();
    if (busy) {
        return now;
    }
    TimePoint next = now + idle_interval;
    if (copier_.running()) {
        next = std::min(next, std::max(copier_.next(), now + milliseconds(1)));
    }
    if (options_.checkpoint_interval.count() != 0 && dialog_.session() != 0) {
        next = std::min(next, std::max(checkpoints_.next(), now + milliseconds(1)));
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
    if (const std::uint64_t open = dialog_.session()) {
        dialog_.command(wire::Kind::goodbye, open);
    }
    end_session("stopped");
}

}  // namespace resilience::replication
