// SPDX-License-Identifier: BSD-3-Clause

// How a recording ends: at its time, because there is no room, or because the
// log failed; and what clients are told from then on.

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "filters/logwrites/log_writer.h"
#include "filters/logwrites/marks.h"

namespace resilience::logwrites {

int LogWriter::end()
{
    Lock lock(mutex_);
    const State before = std::exchange(state_, State::closed);
    int error = 0;
    if (before == State::recording) {
        error = last_mark(lock, end_mark);
    } else if (before != State::closed) {
        // As much of it as there is shall be readable.
        const std::uint64_t count = complete();
        lock.unlock();
        write_super(count);
        lock.lock();
    }
    const bool idle = oldest_ == nullptr && before != State::closed;
    const std::uint64_t end = space_.position();
    lock.unlock();
    if (idle) {
        storage_.cut(end);  // gives back what was reserved
    }
    return error;
}

/// Why a change may not be made; 0 if it may.
int LogWriter::refusal() const
{
    switch (state_) {
    case State::recording:
    case State::stopped: return 0;
    case State::failed: return EIO;
    case State::closed: return ESHUTDOWN;
    }
    return EIO;
}

/// There is no room: either the client is told, or the recording ends.
int LogWriter::room_error(Lock& lock, int error)
{
    if (!settings_.stop_when_full || state_ != State::recording) {
        return state_ == State::recording ? error : refusal();
    }
    stop(lock, error == ENOSPC ? "the log is full"
                               : fmt::format("no room for the log: {}",
                                             std::generic_category().message(error)));
    return 0;
}

/// The log has come to its end.  What the client is told.
int LogWriter::log_failed(Lock& lock, std::uint64_t entry, const std::string& what, int error)
{
    gap_ = std::min(gap_, entry);
    changed_.notify_all();
    if (state_ == State::recording) {
        state_ = settings_.stop_when_full ? State::stopped : State::failed;
        reason_ = fmt::format("{} of the log failed at entry {}: {}", what, entry,
                              std::generic_category().message(error));
        lock.unlock();
        settings_.on_end(reason_);
        lock.lock();
    }
    return state_ == State::stopped ? 0 : EIO;
}

/// Ends the recording where it is, with a mark.
void LogWriter::stop(Lock& lock, const std::string& reason)
{
    state_ = State::stopped;
    reason_ = reason;
    last_mark(lock, stopped_mark);
    lock.unlock();
    settings_.on_end(reason);
    lock.lock();
}

/// Writes the last entry of the log, for which a sector was kept back.
int LogWriter::last_mark(Lock& lock, std::string_view name)
{
    LogItem item;
    item.entry = mark_entry(name, 0);
    Slot slot;
    slot.position = space_.take_kept_back(sector_size_);
    stamp({&item, 1}, issue(), issue());
    link(slot, 1);
    marks_++;
    lock.unlock();
    int error = write_items(slot.position, {&item, 1});
    finish(slot, error);
    if (error == 0) {
        error = commit(slot.first + 1, true);
    }
    lock.lock();
    return error;
}

}  // namespace resilience::logwrites
