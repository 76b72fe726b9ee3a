// SPDX-License-Identifier: BSD-3-Clause

// What the writer does under its mutex: the order of the log.  Slots are
// taken one behind the other and finished in any order.

#include <algorithm>
#include <vector>

#include "filters/logwrites/log_writer.h"

namespace resilience::logwrites {

using writelog::Entry;

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

}  // namespace resilience::logwrites
