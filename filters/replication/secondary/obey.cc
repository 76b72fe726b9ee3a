// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/actions.h"

#include <fmt/format.h>

// Actions: what the primary asks by the export `control`.

namespace resilience::replication {

namespace {

Actions::Answer refused(Refusal refusal, std::string text) { return {refusal, std::move(text), 0}; }

}  // namespace

Actions::Answer Actions::obey(const wire::Command& command)
try {
    if (command.kind == wire::Kind::hello) {
        return hello(command);
    }
    const Identity mine = core_->identity();
    if (!core_->fence.current(command.session) || command.pair != mine.pair ||
        command.epoch != mine.epoch || mine.role == Role::promoted) {
        return refused(Refusal::no_session,
                       "another session has begun, or this side was promoted: say hello again");
    }
    return carry_out(command);
} catch (const CommandError& error) {
    return refused(Refusal::io_error, error.what());
}

Actions::Answer Actions::carry_out(const wire::Command& command)
{
    switch (command.kind) {
    case wire::Kind::start: return wire_start();
    case wire::Kind::checkpoint: return wire_checkpoint(command);
    case wire::Kind::sync_begin: return sync_begin(command);
    case wire::Kind::sync_progress:
        core_->sync_done = command.done;
        core_->sync_total = command.total;
        return {};
    case wire::Kind::sync_end: return sync_end();
    case wire::Kind::map_taken: return map_taken();
    case wire::Kind::goodbye: {
        const auto guard = core_->lock_all();
        if (!guard) {
            return refused(Refusal::timeout, "requests that are being carried out do not end");
        }
        core_->fence.close(core_->newest_connection);
        return {};
    }
    case wire::Kind::hello: break;
    }
    return refused(Refusal::malformed, "the command is unknown");
}

Actions::Answer Actions::hello(const wire::Command& command)
{
    const auto decide = [&] {
        return admit(core_->identity(), core_->size(), core_->knows_changes(),
                     {command.pair, command.epoch, command.device_size});
    };
    Admission admission = decide();
    if (admission.refusal != Refusal::none) {
        core_->reporter.refused(admission.text);
        return refused(admission.refusal, admission.text);
    }
    const auto guard = core_->lock_all();
    if (!guard) {
        return refused(Refusal::timeout, "requests of an earlier session do not end");
    }
    admission = decide();  // things may have changed while we waited
    if (admission.refusal != Refusal::none) {
        return refused(admission.refusal, admission.text);
    }
    if (core_->set_identity(admission.next) != 0) {
        return refused(Refusal::io_error, "the identity cannot be stored");
    }
    Answer answer;
    answer.session = core_->fence.begin(core_->newest_connection);
    core_->reporter.session(fmt::format("session {} with the primary of epoch {}",
                                        answer.session, command.epoch));
    return answer;
}

Actions::Answer Actions::wire_start()
{
    if (core_->state == State::running) {
        return {};
    }
    if (const auto prepared = prepare({Action::start, Mode::secondary})) {
        prepared->commit();
    }
    return {};
}

Actions::Answer Actions::wire_checkpoint(const wire::Command& command)
{
    const auto check = [&]() -> std::string {
        const LayerHeader header = core_->header();
        if (core_->state != State::running) {
            return fmt::format("replication is not running here (state {})",
                               to_string(core_->state.load()));
        }
        if (header.syncing) {
            return "a sync is running";
        }
        if (command.checkpoint <= header.checkpoint) {
            return fmt::format("checkpoint {} is not after checkpoint {}", command.checkpoint,
                               header.checkpoint);
        }
        return {};
    };
    if (std::string text = check(); !text.empty()) {
        return refused(Refusal::wrong_state, std::move(text));
    }
    Held held(*core_, true);
    if (std::string text = check(); !text.empty()) {
        return refused(Refusal::wrong_state, std::move(text));
    }
    if (!core_->fence.current(command.session)) {
        return refused(Refusal::no_session, "another session has begun");
    }
    checkpoint(held, command.checkpoint, command.moment);
    return {};
}

Actions::Answer Actions::sync_begin(const wire::Command& command)
{
    if (core_->state != State::running) {
        return refused(Refusal::wrong_state, "replication is not running here: start it first");
    }
    const Held held(*core_, false);
    if (core_->state != State::running || !core_->fence.current(command.session)) {
        return refused(Refusal::no_session, "things have changed: say hello again");
    }
    const bool full = (command.flags & wire::flag_full) != 0;
    Identity identity = note_sync_begin(core_->identity());
    if (!full && core_->identity().owes_map) {
        return refused(Refusal::wrong_state, "the change map of this side was not taken over");
    }
    if (full) {
        identity.consistent = false;
    }
    LayerHeader header = core_->header();
    header.syncing = true;
    header.nothing_saved = !identity.consistent;
    if (core_->set_identity(identity) != 0 || core_->set_header(header, full) != 0) {
        return refused(Refusal::io_error, "the begin of the sync cannot be stored");
    }
    core_->sync_done = 0;
    core_->sync_total = command.total;
    return {};
}

Actions::Answer Actions::sync_end()
{
    const Held held(*core_, false);
    LayerHeader header = core_->header();
    header.syncing = false;
    if (core_->set_header(header, false) != 0) {
        return refused(Refusal::io_error, "the end of the sync cannot be stored");
    }
    core_->sync_done = core_->sync_total.load();
    return {};
}

Actions::Answer Actions::map_taken()
{
    const Held held(*core_, false);
    if (core_->set_identity(note_map_taken(core_->identity())) != 0) {
        return refused(Refusal::io_error, "the identity cannot be stored");
    }
    return {};
}

}  // namespace resilience::replication
