// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/handshake.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "filters/replication/pair/pair.h"

namespace resilience::replication {

Handshake::Handshake(const Options& options, PrimaryDevice& device, Dialog& dialog)
    : options_(options), device_(device), dialog_(dialog)
{
    const Identity& mine = dialog.identity();
    const bool ours = device.map().pair() == mine.pair;
    base_ = std::max(mine.checkpoint, ours ? device.map().checkpoint() : 0);
}

bool Handshake::say_hello(wire::Status& answer)
{
    if (!dialog_.connect()) {
        return false;
    }
    const auto status = dialog_.command(wire::Kind::hello, 0);
    if (status) {
        answer = *status;
    }
    return status.has_value();
}

/// What the pair's rules say.
Judgement Handshake::judge_answer(const wire::Status& answer) const
{
    Identity known = dialog_.identity();
    known.checkpoint = base_;
    Peer peer;
    peer.refusal = answer.refusal;
    peer.text = answer.text;
    peer.epoch = answer.epoch;
    peer.checkpoint = answer.checkpoint;
    peer.needs_full = answer.needs_full;
    peer.was_primary = answer.was_primary;
    return judge(known, peer);
}

std::string Handshake::first_contact(bool& accepted)
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
            dialog_.last_error());
    }
    const Judgement judgement = judge_answer(answer);
    dialog_.end();
    if (answer.refusal == Refusal::none || (judgement.then == Judgement::Then::retry &&
                                            answer.refusal == Refusal::wrong_state)) {
        accepted = answer.refusal == Refusal::none;
        return {};
    }
    return fmt::format("the secondary refuses this side ({}): {}", to_string(answer.refusal),
                       answer.text);
}

Handshake::Result Handshake::begin()
{
    Result result;
    if (!say_hello(result.answer)) {
        result.text = dialog_.last_error();
        return result;
    }
    const Judgement judgement = judge_answer(result.answer);
    result.text = judgement.text;
    result.full = judgement.then == Judgement::Then::full;
    if (judgement.then == Judgement::Then::fenced) {
        result.then = Result::Then::fenced;
    }
    if (judgement.then == Judgement::Then::fenced || judgement.then == Judgement::Then::retry) {
        return result;
    }
    dialog_.begin(result.answer.session);
    if (settle_differences(result.answer, result.full) &&
        (result.answer.state == State::running ||
         accepted(dialog_.command(wire::Kind::start, result.answer.session)))) {
        result.then = Result::Then::accepted;
    } else {
        result.text = dialog_.last_error();
    }
    return result;
}

/// What this secondary lacks is marked.
bool Handshake::settle_differences(const wire::Status& answer, bool full)
{
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
        base_ = 0;
        error = map.set_base(dialog_.identity().pair, 0);
    }
    if (error != 0) {
        dialog_.note(fmt::format("the bitmap cannot be written: {}", std::strerror(error)));
        return false;
    }
    if (!same_memory) {
        device_.stream().mark_missed(map.bits());
    }
    instance_ = answer.instance;
    return !answer.was_primary ||
           accepted(dialog_.command(wire::Kind::map_taken, answer.session));
}

/// What the other side wrote when it was the primary: its change map.
bool Handshake::take_map(const wire::Status& answer)
{
    const std::uint64_t bit_size = answer.map_granularity;
    if (!std::has_single_bit(bit_size)) {
        return device_.map().set({0, device_.size()}) == 0;
    }
    std::vector<std::byte> bytes(64 << 10);
    for (std::uint64_t at = 0; at < answer.map_bytes; at += bytes.size()) {
        const auto piece =
            std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), answer.map_bytes - at));
        if (!dialog_.read_map(at, piece)) {
            return false;
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

}  // namespace resilience::replication
