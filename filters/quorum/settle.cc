// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/settle.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/core/compare.h"
#include "filters/quorum/fanout.h"
#include "filters/quorum/memory_keeper.h"

namespace resilience::quorum {

namespace {

constexpr std::chrono::seconds retry_after{1};

std::span<const std::byte> piece_of(const Answer& answer, std::size_t at, std::size_t length)
{
    return answer.data.span().subspan(at, length);
}

}  // namespace

std::size_t choose_version(const std::vector<Answer>& answers, std::size_t at, std::size_t length)
{
    std::size_t chosen = answers.size();
    std::size_t most = 0;
    for (std::size_t i = 0; i < answers.size(); i++) {
        if (answers[i].error != 0) {
            continue;
        }
        const auto same = [&](const Answer& other) {
            return other.error == 0 &&
                   !first_difference(piece_of(other, at, length),
                                     piece_of(answers[i], at, length));
        };
        const auto votes = static_cast<std::size_t>(std::ranges::count_if(answers, same));
        if (votes > most) {  // the first of several
            most = votes;
            chosen = i;
        }
    }
    return chosen;
}

void Settler::doubt(ByteRange range, ChildPtr source)
{
    if (source) {
        const std::lock_guard lock(mutex_);
        source_ = std::move(source);
        source_range_ = range;
    }
    unsettled_.set(range);
}

/// Null: the members decide.
ChildPtr Settler::source_of(ByteRange granule) const
{
    const std::lock_guard lock(mutex_);
    const bool covers = granule.begin < source_range_.end && source_range_.begin < granule.end;
    return covers ? source_ : nullptr;
}

ChildPtr Settler::source() const
{
    const std::lock_guard lock(mutex_);
    return source_;
}

/// The caller holds the granule alone.
int Settler::write_chosen(Answers& answers, ByteRange granule, const Buffer& chosen)
{
    Fanout fan(state_.clock, answers.list().size());
    for (const Answer& answer : answers.list()) {
        // Also to one that has it, and was not current: only a write makes it so.
        if (answer.error != 0 || first_difference(answer.data.span(), chosen.span()) ||
            answer.child->stale().any(granule)) {
            fan.add(answer.child);
        }
    }
    for (std::size_t i = 0; i < fan.slots().size(); i++) {
        fan.send(i, copy_request(chosen, granule));
    }
    fan.wait();
    const auto failed = static_cast<std::size_t>(
        std::ranges::count_if(fan.slots(), [](const Slot& slot) { return !slot.ok(); }));
    const bool done = answers.list().size() - failed >= state_.threshold();
    for (const Slot& slot : fan.slots()) {
        if (slot.ok()) {
            slot.child->wrote(granule, slot.epoch, false);
            continue;
        }
        slot.child->may_have_written(granule, slot.epoch, false);
        state_.report_error(*slot.child, Fault::write, granule, slot.error);
        if (done) {  // else it is as after any write that has failed as a whole
            slot.child->missed(granule);
        }
    }
    // Who was not asked may have the other version.
    for (const ChildPtr& child : state_.children()) {
        if (done && std::ranges::find(answers.list(), child, &Answer::child) ==
                        answers.list().end()) {
            child->missed(granule);
        }
    }
    return done ? 0 : EIO;
}

/// What all are to have; nullopt if too few have answered to know.
std::optional<Buffer> Settler::choose_content(const std::vector<Answer>& answers,
                                              const ChildPtr& truth) const
{
    if (truth) {
        const auto answer = std::ranges::find(answers, truth, &Answer::child);
        return answer->error == 0 ? std::optional(answer->data) : std::nullopt;
    }
    const auto heard = static_cast<std::size_t>(std::ranges::count(answers, 0, &Answer::error));
    if (heard < state_.threshold()) {
        return std::nullopt;
    }
    const std::size_t size = answers.front().data.span().size();
    Buffer chosen = take_buffer(size);
    for (std::size_t at = 0; at < size; at += sector_size) {
        const std::size_t length = std::min<std::size_t>(sector_size, size - at);
        const Answer& from = answers[choose_version(answers, at, length)];
        std::ranges::copy(piece_of(from, at, length),
                          chosen.span().begin() + static_cast<std::ptrdiff_t>(at));
    }
    return chosen;
}

int Settler::settle_granule(ByteRange granule)
{
    const RangeLock::Guard guard = state_.lock(granule, LockMode::exclusive);
    if (!guard) {
        return EIO;
    }
    if (!unsettled_.any(granule)) {
        return 0;  // somebody else was quicker
    }
    const ChildPtr truth = source_of(granule);
    Children asked = truth ? state_.reachable() : state_.voters(granule);
    if (asked.size() < state_.threshold() || (truth && !truth->current(granule))) {
        return EIO;
    }
    Answers answers(std::move(asked), granule);
    answers.read_separately(state_.clock);
    const auto chosen = choose_content(answers.list(), truth);
    if (!chosen) {
        return EIO;
    }
    if (const int error = write_chosen(answers, granule, *chosen)) {
        return error;
    }
    if (const int error = record_missing(state_, {})) {
        return error;
    }
    unsettled_.clear(granule);
    return 0;
}

int Settler::settle(ByteRange range)
{
    while (unsettled_.any(range)) {
        const auto marked = unsettled_.next_marked(range.begin, stale_granularity);
        if (!marked || marked->begin >= range.end) {
            break;
        }
        if (const int error = settle_granule(*marked)) {
            return error;
        }
    }
    return 0;
}

bool Settler::step()
{
    if (!unsettled_.any() || state_.clock.now() < not_before_) {
        return false;
    }
    auto marked = unsettled_.next_marked(cursor_, stale_granularity);
    if (!marked) {
        marked = unsettled_.next_marked(std::exchange(cursor_, 0), stale_granularity);
    }
    if (!marked) {
        return false;
    }
    cursor_ = marked->end;
    if (settle_granule(*marked) != 0) {
        not_before_ = state_.clock.now() + retry_after;
        return false;
    }
    if (!unsettled_.any()) {
        const std::lock_guard lock(mutex_);
        source_ = nullptr;
    }
    return true;
}

}  // namespace resilience::quorum
