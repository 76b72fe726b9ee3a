// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/log_writer.h"

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/core/random_id.h"
#include "common/thread/clock.h"
#include "filters/logwrites/marks.h"

namespace resilience::logwrites {

using writelog::Entry;
using writelog::Kind;

namespace {

/// Of this recording.  Its count is filled in when it is written.
writelog::Superblock super_of(const LogStart& start, const LogWriter::Settings& settings)
{
    writelog::Superblock super;
    super.sector_size = start.sector_size;
    super.extension = start.extension;
    if (settings.extension && !super.extension) {
        super.extension = writelog::SuperExtension{settings.device_size, wall_clock_ns(),
                                                   random_id<std::uint32_t>(), "logwrites"};
    }
    return super;
}

}  // namespace

std::string_view to_string(State state)
{
    switch (state) {
    case State::recording: return "recording";
    case State::failed: return "failed";
    case State::stopped: return "stopped";
    case State::closed: return "closed";
    }
    return "unknown";
}

// One sector is kept back, for the mark that says how the recording ended.
LogWriter::LogWriter(LogStorage& storage, const LogStart& start, Settings settings)
    : storage_(storage), start_(start), settings_(std::move(settings)),
      sector_size_(start.sector_size), super_(super_of(start_, settings_)),
      output_(storage, start.sector_size, settings_.extension), sequence_(start.sequence),
      space_(storage, start.position, start.sector_size), slots_(start.entries),
      counter_(output_, slots_, super_, settings_.sync)
{
}

int LogWriter::begin()
{
    if (const int error = storage_.cut(start_.append ? start_.position : 0)) {
        return error;
    }
    // First of all the count: an older one must not stand over new entries.
    if (const int error = counter_.write(start_.entries)) {
        return error;
    }
    return mark(start_mark, 0, true);
}

void LogWriter::Admission::release()
{
    if (LogWriter* writer = std::exchange(writer_, nullptr)) {
        const std::lock_guard lock(writer->mutex_);
        writer->space_.give_back(bytes_);
    }
}

int LogWriter::admit(std::span<const LogItem> items, Admission& admission)
{
    std::uint64_t bytes = 0;
    for (const LogItem& item : items) {
        const Run body = body_of(item);
        bytes += sector_size_ + (body.hole ? 0 : body.length);
    }
    Lock lock(mutex_);
    if (const int error = refusal()) {
        return error;
    }
    if (state_ == State::stopped) {
        return 0;
    }
    if (const int error = space_.admit(lock, bytes)) {
        return room_error(lock, error);
    }
    if (state_ != State::recording) {  // it has ended while we waited for room
        space_.give_back(bytes);
        return refusal();
    }
    admission.writer_ = this;
    admission.bytes_ = bytes;
    return 0;
}

/// What `item` needs behind its header.
Run LogWriter::body_of(const LogItem& item) const
{
    const std::uint64_t length = item.entry.has_body() ? item.entry.sectors * sector_size_ : 0;
    return {0, length, item.hole && length >= large_hole && space_.holes_are_free()};
}

Stamp LogWriter::issue() { return {++sequence_, wall_clock_ns()}; }

int LogWriter::append(Admission& admission, std::span<LogItem> items, const Stamp& issued,
                      bool promised, bool durable, std::uint64_t* entry)
{
    if (!admission.recorded()) {
        return 0;
    }
    Slot slot;
    {
        Lock lock(mutex_);
        if (state_ != State::recording) {
            return refusal();
        }
        take(lock, admission, items, issued, slot);
        marks_ += items.front().entry.is_mark() ? 1 : 0;
    }
    if (entry != nullptr) {
        *entry = slot.first;
    }
    const int error = output_.write(slot.position, items);
    if (const int result = finish(slot, error); error != 0) {
        return result;
    }
    return promised ? commit(slot.first + slot.count, durable) : commit_if_due(slot);
}

int LogWriter::mark(std::string_view name, std::uint32_t connection, bool durable,
                    std::uint64_t* entry)
{
    LogItem item;
    item.entry = mark_entry(name, connection);
    Admission admission;
    if (const int error = admit({&item, 1}, admission)) {
        return error;
    }
    if (!admission.recorded()) {
        return EPIPE;  // nothing is recorded any more; a mark would be a lie
    }
    const Stamp issued = issue();
    return append(admission, {&item, 1}, issued, true, durable, entry);
}

int LogWriter::flush(std::uint32_t connection, const std::function<int()>& carry_out)
{
    LogItem item;
    item.entry = mark_entry(pending_mark, connection);
    Admission admission;
    if (const int error = admit({&item, 1}, admission)) {
        return error;
    }
    Slot slot;
    {
        Lock lock(mutex_);
        if (!admission.recorded() || state_ != State::recording) {
            const int error = refusal();
            lock.unlock();
            return error != 0 ? error : carry_out();
        }
        take(lock, admission, {&item, 1}, issue(), slot);
    }
    const int error = output_.write(slot.position, {&item, 1});
    if (const int answer = finish(slot, error)) {
        return answer;
    }
    return error != 0 ? carry_out() : flush_taken(slot, item.entry, carry_out);
}

/// The entry in `slot` is complete, and stays so: what takes the place of the
/// mark is as long as it.
int LogWriter::flush_taken(const Slot& slot, const Entry& pending,
                           const std::function<int()>& carry_out)
{
    const int flushed = carry_out();
    const Stamp completed = issue();
    LogItem item;
    item.entry.extension = pending.extension;
    if (flushed == 0) {
        item.entry.flags = writelog::flag_flush;
    } else {
        item.entry = mark_entry(failed_mark, 0);
        item.entry.extension = pending.extension;
    }
    if (auto& extension = item.entry.extension) {
        extension->kind = flushed == 0 ? Kind::flush : Kind::mark;
        extension->completed = completed.sequence;
        extension->completed_ns = completed.time_ns;
    }
    if (const int error = output_.write(slot.position, {&item, 1})) {
        Lock lock(mutex_);
        const int answer = log_failed(lock, slot.first + 1, "write", error);
        return flushed != 0 ? flushed : answer;
    }
    if (flushed != 0) {
        return flushed;
    }
    {
        const std::lock_guard lock(mutex_);
        flushes_++;
    }
    return commit(slot.first + 1, true);
}

/// The next slot of the log is that of `items`.
void LogWriter::take(Lock& lock, Admission& admission, std::span<LogItem> items,
                     const Stamp& issued, Slot& slot)
{
    if (items.size() == 1 && !items.front().hole) {
        const Entry& entry = items.front().entry;
        const Run run{0, entry.log_sectors() * sector_size_, false};
        slot.position = space_.take(lock, admission.bytes_, {&run, 1});
    } else {
        std::vector<Run> runs;
        std::uint64_t offset = 0;
        const auto add = [&](std::uint64_t length, bool hole) {
            runs.push_back({offset, length, hole});
            offset += length;
        };
        for (const LogItem& item : items) {
            add(sector_size_, false);
            if (const Run body = body_of(item); body.length != 0) {
                add(body.length, body.hole);
            }
        }
        slot.position = space_.take(lock, admission.bytes_, runs);
    }
    admission.writer_ = nullptr;
    stamp(items, issued, issue());
    slots_.reserve(slot, items.size());
}

void LogWriter::stamp(std::span<LogItem> items, const Stamp& issued, const Stamp& completed) const
{
    const std::uint32_t log_id = super_.extension ? super_.extension->log_id : 0;
    for (LogItem& item : items) {
        if (auto& extension = item.entry.extension) {
            extension->issued = issued.sequence;
            extension->issued_ns = issued.time_ns;
            extension->completed = completed.sequence;
            extension->completed_ns = completed.time_ns;
            extension->log_id = log_id;
        }
    }
}

/// The slot has been written, or not (`error`).  What the client is told.
int LogWriter::finish(Slot& slot, int error)
{
    Lock lock(mutex_);
    slots_.finish(slot);
    counter_.slots_changed();
    return error == 0 ? 0 : log_failed(lock, slot.first, "write", error);
}

int LogWriter::commit(std::uint64_t entries, bool durable)
{
    Lock lock(mutex_);
    const auto result = counter_.commit(lock, entries, durable);
    switch (result.outcome) {
    case SuperblockCommit::Outcome::done: return 0;
    case SuperblockCommit::Outcome::unreachable: return state_ == State::stopped ? 0 : EIO;
    case SuperblockCommit::Outcome::failed: break;
    }
    return log_failed(lock, result.entry, "write of the superblock", result.error);
}

/// Every so many entries the superblock is written although nobody waits.
int LogWriter::commit_if_due(const Slot& slot)
{
    const std::uint64_t interval = settings_.super_update_interval;
    const std::uint64_t end = slot.first + slot.count;
    return end / interval == slot.first / interval ? 0 : commit(end, false);
}

// ---- how it ends: at its time, for want of room, or because the log failed --------

int LogWriter::end()
{
    Lock lock(mutex_);
    const State before = std::exchange(state_, State::closed);
    int error = 0;
    if (before == State::recording) {
        error = last_mark(lock, end_mark);
    } else if (before != State::closed) {
        // As much of it as there is shall be readable.
        const std::uint64_t count = slots_.complete();
        lock.unlock();
        counter_.write(count);
        lock.lock();
    }
    const bool idle = slots_.idle() && before != State::closed;
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
    slots_.end_before(entry);
    counter_.slots_changed();
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
    slots_.reserve(slot, 1);
    marks_++;
    lock.unlock();
    int error = output_.write(slot.position, {&item, 1});
    finish(slot, error);
    if (error == 0) {
        error = commit(slot.first + 1, true);
    }
    lock.lock();
    return error;
}

LogStatus LogWriter::status() const
{
    const std::lock_guard lock(mutex_);
    LogStatus status;
    status.state = state_;
    status.reason = reason_;
    status.entries = slots_.reserved();
    status.counted = counter_.counted();
    status.bytes = space_.position();
    status.marks = marks_;
    status.flushes = flushes_;
    status.sector_size = sector_size_;
    status.log_id = super_.extension ? super_.extension->log_id : 0;
    return status;
}

}  // namespace resilience::logwrites
