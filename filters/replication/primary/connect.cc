// SPDX-License-Identifier: BSD-3-Clause

// PrimarySession: the begin and the end of a session.

#include "filters/replication/primary/session.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/core/log.h"
#include "filters/replication/pair/pair.h"

namespace resilience::replication {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_retry{100};
constexpr milliseconds longest_retry{2000};
constexpr milliseconds goodbye_limit{200};

/// What the pair's rules say of the answer to a hello.
Judgement judge_answer(const Identity& mine, std::uint64_t base, const wire::Status& answer)
{
    Identity known = mine;
    known.checkpoint = base;
    Peer peer;
    peer.refusal = answer.refusal;
    peer.text = answer.text;
    peer.epoch = answer.epoch;
    peer.checkpoint = answer.checkpoint;
    peer.needs_full = answer.needs_full;
    peer.was_primary = answer.was_primary;
    return judge(known, peer);
}

}  // namespace

bool PrimarySession::say_hello(wire::Status& answer)
{
    {
        const auto turn = peer_turn();
        if (!turn) {
            return false;
        }
        const std::string error = peer_.connect();
        if (!error.empty()) {
            fail(error);
            return false;
        }
    }
    const auto status = exchange(wire::Kind::hello, 0);
    if (!status) {
        return false;
    }
    answer = *status;
    return true;
}

std::string PrimarySession::first_contact(bool& accepted)
{
    accepted = false;
    wire::Status answer;
    if (!say_hello(answer)) {
        if (options_.alone) {
            return {};
        }
        return fmt::format(
            "{}; whether the secondary was promoted meanwhile cannot be known.  Start the "
            "secondary first, or, if you are sure that it was not promoted, start this side with "
            "replication-alone=true",
            status().last_error);
    }
    const Judgement judgement = judge_answer(identity_, base_, answer);
    peer_.disconnect();
    if (answer.refusal == Refusal::none || (judgement.then == Judgement::Then::retry &&
                                            answer.refusal == Refusal::wrong_state)) {
        accepted = answer.refusal == Refusal::none;
        return {};
    }
    return fmt::format("the secondary refuses this side ({}): {}", to_string(answer.refusal),
                       answer.text);
}

void PrimarySession::fence(const std::string& why)
{
    device_.set_gate(Gate::fenced);
    end_session(why);
    log::error("{}: fenced, nothing is acknowledged any more: {}", options_.name, why);
    set_phase(SessionStatus::Phase::fenced, why);
    tell_("REPLICATION_FENCED", why);
}

void PrimarySession::end_session(const std::string& why)
{
    device_.stream().close(why);
    if (const auto data = std::exchange(data_, nullptr)) {
        data->stop(goodbye_limit);
    }
    {
        const auto turn = peer_turn();
        peer_.disconnect();
    }
    syncing_ = false;
    {
        const std::lock_guard lock(mutex_);
        broken_ = false;
        status_.session = 0;
    }
    set_phase(SessionStatus::Phase::connecting, why);
}

void PrimarySession::try_session()
{
    wire::Status answer;
    if (!say_hello(answer)) {
        end_session(status().last_error);
    } else {
        Identity mine;
        std::uint64_t base;
        {
            const std::lock_guard lock(mutex_);
            mine = identity_;
            base = base_;
        }
        const Judgement judgement = judge_answer(mine, base, answer);
        const bool full = judgement.then == Judgement::Then::full;
        if (judgement.then == Judgement::Then::fenced) {
            fence(judgement.text);
            return;
        }
        if (judgement.then != Judgement::Then::retry && settle_differences(answer, full) &&
            begin_data(answer, full)) {
            failures_ = 0;
            device_.accept();
            return;
        }
        end_session(answer.refusal == Refusal::none ? status().last_error : judgement.text);
    }
    // The question of the gate is answered: the secondary cannot be reached, so
    // it is lost as any other.
    if (device_.gate() == Gate::asking && device_.accepted()) {
        device_.set_gate(Gate::open);
    }
    retry_at_ = clock_.now() + std::min(first_retry * (1 << std::min(failures_++, 5U)),
                                        longest_retry);
}

/// What this secondary lacks is marked: in the change map, durably, and in the
/// stream.  Nothing is sent yet, so all that the guest writes now is missed.
bool PrimarySession::settle_differences(const wire::Status& answer, bool full)
{
    {
        const std::lock_guard lock(mutex_);
        status_.session = answer.session;
        status_.sessions++;
    }
    const bool same_memory = !full && !answer.was_primary && instance_ != 0 &&
                             instance_ == answer.instance && answer.state == State::running;
    ChangeMap& map = device_.map();
    int error = 0;
    if (full) {
        error = map.set({0, device_.size()});
    } else if (answer.was_primary && !take_map(answer)) {
        return false;
    }
    if (error == 0 && (full || answer.was_primary)) {
        const std::lock_guard lock(mutex_);
        base_ = 0;
        error = map.set_base(identity_.pair, 0);
    }
    if (error != 0) {
        fail(fmt::format("the bitmap cannot be written: {}", std::strerror(error)));
        return false;
    }
    if (!same_memory) {
        device_.stream().mark_missed(map.bits());
    }
    instance_ = answer.instance;
    if (answer.was_primary) {
        return accepted(exchange(wire::Kind::map_taken, answer.session));
    }
    return true;
}

/// What the other side wrote when it was the primary: its change map.
bool PrimarySession::take_map(const wire::Status& answer)
{
    const std::uint64_t bit_size = answer.map_granularity;
    if (!std::has_single_bit(bit_size)) {
        return device_.map().set({0, device_.size()}) == 0;
    }
    std::vector<std::byte> bytes(64 << 10);
    for (std::uint64_t at = 0; at < answer.map_bytes; at += bytes.size()) {
        const auto piece =
            std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), answer.map_bytes - at));
        {
            const auto turn = peer_turn();
            if (!turn || !peer_.read_map(at, piece)) {
                fail(peer_.error());
                return false;
            }
        }
        for (std::size_t i = 0; i < piece.size(); i++) {
            for (auto left = std::to_integer<unsigned>(piece[i]); left != 0; left &= left - 1) {
                const std::uint64_t bit =
                    (at + i) * 8 + static_cast<unsigned>(std::countr_zero(left));
                if (device_.map().set({bit * bit_size, (bit + 1) * bit_size}) != 0) {
                    return false;
                }
            }
        }
    }
    return true;
}

bool PrimarySession::begin_data(const wire::Status& answer, bool full)
{
    if (answer.state != State::running &&
        !accepted(exchange(wire::Kind::start, answer.session))) {
        return false;
    }
    Stream& stream = device_.stream();
    full_ = full || !answer.consistent;
    cursor_ = 0;
    must_checkpoint_ = !answer.consistent;
    made_then_ = status().checkpoints;
    // Also when nothing is left to copy, but it does not know that yet.
    if ((full || answer.syncing || stream.missed().any()) && !begin_sync(full)) {
        return false;
    }
    {
        const auto turn = peer_turn();
        data_ = turn ? peer_.open_data() : nullptr;
    }
    if (!data_) {
        fail(peer_.error());
        return false;
    }
    stream.open(data_);
    const TimePoint now = clock_.now();
    next_heartbeat_ = now + heartbeat_interval;
    next_durable_ = now + 5 * settle_interval;
    next_interval_ = now + options_.checkpoint_interval;
    if (!syncing_) {
        set_phase(SessionStatus::Phase::in_sync, {});
    }
    return true;
}

}  // namespace resilience::replication
