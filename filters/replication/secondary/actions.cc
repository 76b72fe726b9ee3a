// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/actions.h"

#include <chrono>
#include <cstring>

#include <fmt/format.h>

#include "common/thread/clock.h"

namespace resilience::replication {

namespace {

[[noreturn]] void refuse(const std::string& text) { throw CommandError(text); }

/// An action that failed although it was possible.
void must(int error, const char* what, const char* outcome = "nothing has changed")
{
    if (error != 0) {
        refuse(fmt::format("{}: {}; {}", what, std::strerror(error), outcome));
    }
}

void sync_disk(Core& core)
{
    if (const int error = core.sync_disk()) {
        throw CommandError(fmt::format(
            "the disk cannot be made durable: {}; nothing has changed.  What it has lost nobody "
            "knows: put it right and start this server again, and what was written since the last "
            "checkpoint is copied again",
            std::strerror(error)));
    }
}

/// Everything that is present in `layer`.
int mark_present(const Layer& layer, DirtyBitmap& marks, ChangeMap& map)
{
    for (std::uint64_t at = layer.next_present(0); at < layer.clusters();) {
        const std::uint64_t end = layer.next_absent(at);
        const ByteRange range{layer.begin_of(at), layer.end_of(end)};
        marks.set(range);
        if (const int error = map.set(range)) {
            return error;
        }
        at = layer.next_present(end);
    }
    return 0;
}

/// What the other side lacks after a failover, for failback: its disk is as at the
/// last checkpoint but for what it wrote since then (in hidden, as far as it arrived
/// here; the rest is in its own change map), and this one is going to be as at the
/// last checkpoint but for active, and what is written from now on.  The change map
/// says that durably now, and nothing else; everything, if there was no checkpoint.
/// Under lock_all().  0 or a positive errno.
int note_difference(Core& core)
{
    if (!core.changes) {
        return 0;
    }
    ChangeMap& map = *core.changes;
    if (!core.consistent()) {
        if (const int error = map.set({0, core.size()})) {
            return error;
        }
    } else {
        DirtyBitmap marks(core.size(), map.bits().granularity());
        for (const Layer* layer : {core.active.get(), core.hidden.get()}) {
            if (const int error = mark_present(*layer, marks, map)) {
                return error;
            }
        }
        map.retain(marks);
    }
    return map.set_base(core.identity().pair, core.header().checkpoint);
}

}  // namespace

Held::Held(Core& core, bool durable) : core_(core)
{
    // Most of it while I/O goes on, so that the pause is short whatever is dirty.
    const std::uint64_t seen = core_.writes;
    if (durable) {
        sync_disk(core_);
    }
    guard_ = core_.lock_all();
    if (!guard_) {
        throw CommandError("requests that are being carried out do not end: the disk hangs; "
                           "nothing has changed");
    }
    began_ = real_clock().now();
    if (durable && core_.writes != seen) {
        sync_disk(core_);
    }
}

void Held::let_go()
{
    const auto pause = real_clock().now() - began_;
    core_.counters.last_pause_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(pause).count());
    guard_.release();
}

std::unique_ptr<Prepared> Actions::prepare(const Asked& asked)
{
    const auto rule = [&] {
        const State state = core_->state;
        switch (asked.action) {
        case Action::start:
            return rule_start(state, core_->promoted(), Mode::secondary, asked.mode);
        case Action::checkpoint: return rule_checkpoint(state, Mode::secondary);
        case Action::stop: return rule_stop(state);
        case Action::failover: return rule_failover(state, Mode::secondary);
        }
        return Ruling::refuse("unknown action");
    };
    const auto check = [&] {
        const Ruling ruling = rule();
        if (!ruling.go && !ruling.error.empty()) {
            refuse(ruling.error);
        }
        const bool syncing = core_->header().syncing;
        if (ruling.go && syncing && asked.action == Action::checkpoint) {
            refuse("A sync is running: the disk is no state that the primary ever had; a "
                   "checkpoint is possible when it has ended");
        }
        if (ruling.go && asked.action == Action::failover) {
            if (const std::string error = failover_error(asked.force); !error.empty()) {
                refuse(error);
            }
        }
        return ruling.go;
    };
    if (!check()) {
        return nullptr;
    }
    auto held = std::make_unique<Held>(*core_, asked.action != Action::failover);
    if (!check()) {  // things may have changed while we waited
        return nullptr;
    }
    switch (asked.action) {
    case Action::start:
        held->then = [this, moment = asked.moment](Held& h) { start(h, moment); };
        break;
    case Action::checkpoint:
        held->then = [this, moment = asked.moment](Held& h) {
            checkpoint(h, core_->header().checkpoint + 1, moment);
        };
        break;
    case Action::stop: held->then = [this](Held& h) { stop(h); }; break;
    case Action::failover: held->then = [this](Held& h) { failover(h); }; break;
    }
    return held;
}

std::string Actions::failover_error(bool force) const
{
    if (core_->consistent() || core_->state != State::running || force) {
        return {};
    }
    return "There is no checkpoint to fail over to: the copy of the primary's disk is not "
           "complete, or the files of hidden were lost.  With force the disk is taken as it is";
}

void Actions::start(Held& held, std::uint64_t moment)
{
    LayerHeader header = core_->header();
    header.state = State::running;
    header.checkpoint++;
    header.checkpoint_time = wall_clock_ns();
    header.moment = moment;
    header.syncing = false;
    header.nothing_saved = false;
    must(core_->set_identity(note_checkpoint(core_->identity())), "the identity cannot be stored");
    must(core_->set_header(header, true), "the checkpoint cannot be stored",
         "the identity is stored already, and replication is not started");
    core_->sticky = 0;
    core_->reporter.clear();
    core_->state = State::running;
    core_->counters.checkpoints++;
    held.let_go();
    core_->reporter.state(State::running, core_->identity().epoch);
}

void Actions::checkpoint(Held& held, std::uint64_t number, std::uint64_t moment)
{
    LayerHeader header = core_->header();
    header.checkpoint = number;
    header.moment = moment;
    header.checkpoint_time = wall_clock_ns();
    header.nothing_saved = false;
    must(core_->set_header(header, true), "the checkpoint cannot be stored");
    // Only now, and only the first time: the disk is a copy of the primary's.
    must(core_->set_identity(note_checkpoint(core_->identity())), "the identity cannot be stored",
         "the checkpoint itself is stored");
    core_->counters.checkpoints++;
    held.let_go();
    core_->reporter.checkpoint(number);
}

void Actions::stop(Held& held)
{
    Identity identity = core_->identity();
    LayerHeader header = core_->header();
    if (header.syncing) {
        identity.consistent = false;  // the last checkpoint goes, and there is no other
    }
    header.state = State::done;
    header.checkpoint++;
    header.checkpoint_time = wall_clock_ns();
    header.syncing = false;
    must(core_->set_identity(identity), "the identity cannot be stored");
    must(core_->set_header(header, true), "the end cannot be stored");
    core_->state = State::done;
    core_->sticky = 0;
    held.let_go();
    core_->reporter.state(State::done, identity.epoch);
}

void Actions::failover(Held& held)
{
    // Whatever happens from here on, the primary is locked out first.
    core_->fence.close(core_->newest_connection);
    Identity identity = core_->identity();
    if (identity.role != Role::promoted) {
        must(note_difference(*core_), "what the other side will lack cannot be noted");
        identity = promote(identity);
        must(core_->set_identity(identity), "the promotion cannot be stored");
    }
    LayerHeader header = core_->header();
    header.state = State::failover;
    if (const int error = core_->set_header(header, false)) {
        core_->state = State::failover_failed;  // the promotion stands; nothing was merged
        core_->note_error(error);
        refuse(fmt::format("the failover cannot be stored: {}; this side is promoted; try again",
                           std::strerror(error)));
    }
    core_->merged_until = 0;
    core_->sticky = 0;
    core_->state = State::failover;
    held.let_go();
    core_->reporter.state(State::failover, identity.epoch);
    background_.begin_merge();
}

}  // namespace resilience::replication
