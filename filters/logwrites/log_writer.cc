// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/log_writer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <random>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "filters/logwrites/marks.h"

namespace resilience::logwrites {

using writelog::Entry;
using writelog::Kind;

namespace {

std::uint64_t now_ns()
{
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

std::uint32_t random_id()
{
    std::random_device device;
    std::uint32_t id = 0;
    while (id == 0) {
        id = device();
    }
    return id;
}

Entry mark_entry(std::string_view name, std::uint32_t connection)
{
    Entry entry;
    entry.flags = writelog::flag_mark;
    entry.mark = name;
    entry.data_length = name.size();
    entry.extension.emplace();
    entry.extension->kind = Kind::mark;
    entry.extension->connection = connection;
    return entry;
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
      sector_size_(start.sector_size),
      zeroes_(std::make_unique<std::byte[]>(start.sector_size)),
      super_extension_(start.extension), sequence_(start.sequence),
      space_(storage, start.position, start.sector_size), next_(start.entries),
      gap_(std::numeric_limits<std::uint64_t>::max())
{
    if (settings_.extension && !super_extension_) {
        super_extension_ =
            writelog::SuperExtension{settings_.device_size, now_ns(), random_id(), "logwrites"};
    }
    log_id_ = super_extension_ ? super_extension_->log_id : 0;
}

int LogWriter::begin()
{
    if (const int error = storage_.cut(start_.append ? start_.position : 0)) {
        return error;
    }
    // First of all the count: an older one must not stand over new entries.
    if (const int error = write_super(start_.entries)) {
        return error;
    }
    return mark(start_mark, 0, true);
}

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
        const std::uint64_t body =
            item.entry.has_body() ? item.entry.sectors * sector_size_ : 0;
        const bool free = item.hole && body >= large_hole && space_.holes_are_free();
        bytes += sector_size_ + (free ? 0 : body);
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

Stamp LogWriter::issue() { return {++sequence_, now_ns()}; }

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
            const std::uint64_t body =
                item.entry.has_body() ? item.entry.sectors * sector_size_ : 0;
            add(sector_size_, false);
            if (body != 0) {
                add(body, item.hole && body >= large_hole && space_.holes_are_free());
            }
        }
        slot.position = space_.take(lock, admission.bytes_, runs);
    }
    admission.writer_ = nullptr;
    stamp(items, issued, issue());
    link(slot, items.size());
}

void LogWriter::stamp(std::span<LogItem> items, const Stamp& issued, const Stamp& completed)
{
    for (LogItem& item : items) {
        if (auto& extension = item.entry.extension) {
            extension->issued = issued.sequence;
            extension->issued_ns = issued.time_ns;
            extension->completed = completed.sequence;
            extension->completed_ns = completed.time_ns;
            extension->log_id = log_id_;
        }
    }
}

void LogWriter::link(Slot& slot, std::uint64_t count)
{
    slot.first = next_;
    slot.count = count;
    next_ += count;
    slot.before = newest_;
    (newest_ != nullptr ? newest_->behind : oldest_) = &slot;
    newest_ = &slot;
}

/// How many entries are complete without a gap.
std::uint64_t LogWriter::complete() const
{
    return std::min(oldest_ != nullptr ? oldest_->first : next_, gap_);
}

/// The slot has been written, or not (`error`).  What the client is told.
int LogWriter::finish(Slot& slot, int error)
{
    Lock lock(mutex_);
    (slot.before != nullptr ? slot.before->behind : oldest_) = slot.behind;
    (slot.behind != nullptr ? slot.behind->before : newest_) = slot.before;
    if (committing_) {
        changed_.notify_all();
    }
    return error == 0 ? 0 : log_failed(lock, slot.first, "write", error);
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
    const int error = write_items(slot.position, items);
    if (const int result = finish(slot, error); error != 0) {
        return result;
    }
    return promised ? commit(slot.first + slot.count, durable)
                    : commit_if_due(slot.first, slot.count);
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
    const int error = write_items(slot.position, {&item, 1});
    const int answer = finish(slot, error);
    if (answer != 0) {
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
    if (const int error = write_items(slot.position, {&item, 1})) {
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

LogStatus LogWriter::status() const
{
    const std::lock_guard lock(mutex_);
    LogStatus status;
    status.state = state_;
    status.reason = reason_;
    status.entries = std::min(next_, gap_);
    status.counted = counted_;
    status.bytes = space_.position();
    status.marks = marks_;
    status.flushes = flushes_;
    status.sector_size = sector_size_;
    status.log_id = log_id_;
    return status;
}

}  // namespace resilience::logwrites
