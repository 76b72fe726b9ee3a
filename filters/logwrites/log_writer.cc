// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/log_writer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <utility>

#include "common/core/random_id.h"
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
            writelog::SuperExtension{settings_.device_size, now_ns(), random_id<std::uint32_t>(), "logwrites"};
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

Stamp LogWriter::issue() { return {++sequence_, now_ns()}; }

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
