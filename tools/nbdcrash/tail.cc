// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/tail.h"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "common/core/compare.h"
#include "common/replay/log_index.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

constexpr std::uint64_t largest_device = std::numeric_limits<std::int64_t>::max();

/// Whether there is nothing but zeroes from `position` on.
bool is_zero_from(const LogFile& log, std::uint64_t position)
{
    std::vector<std::byte> piece(1 << 20);
    while (position < log.size()) {
        const auto now =
            std::span(piece).first(std::min<std::uint64_t>(piece.size(), log.size() - position));
        log.read(position, now);
        if (!is_all_zero(now)) {
            return false;
        }
        position += now.size();
    }
    return true;
}

/// The walk from one entry to the next.
class Walk {
public:
    Walk(const LogFile& log, Tail& tail, std::uint64_t entry)
        : log_(log), tail_(tail), ss_(log.sector_size()), entry_(entry)
    {
        if (log.super().extension) {
            tail.log_id = log.super().extension->log_id;
        }
        ours_ = tail.log_id.has_value();
    }

    void run()
    {
        std::uint64_t position = tail_.position;
        tail_.end_of_sure = position;
        for (;;) {
            const std::string why = step(position);
            if (!why.empty()) {
                tail_.end = ours_ ? tail_.end_of_sure : position;
                tail_.reason = fmt::format("byte {}: {}", position, why);
                return;
            }
        }
    }

private:
    /// Takes the entry at `position` and moves on; or says why it is none.
    std::string step(std::uint64_t& position)
    {
        if (log_.size() - position < ss_) {
            return log_.size() == position ? "the file ends there"
                                           : "the file ends inside a header";
        }
        head_.resize(ss_);
        log_.read(position, head_);
        const Entry entry = log_.entry_at(position);
        if (std::string why = impossible(entry, position); !why.empty()) {
            return why;
        }
        const std::uint64_t next = position + entry.log_sectors() * ss_;
        if (entry.extension && is_ours(*entry.extension)) {
            if (!is_intact(entry, position)) {
                return fmt::format("the body of entry {} does not match its checksum", entry_);
            }
            tail_.log_id = entry.extension->log_id;
            ours_ = true;
            tail_.sure += 1 + tail_.plausible;  // what it follows is of this log, too
            tail_.plausible = 0;
            tail_.end_of_sure = next;
        } else if (entry.extension) {
            return fmt::format("there is an entry of another recording (log id {:08x})",
                               entry.extension->log_id);
        } else if (std::string why = implausible(entry); !why.empty()) {
            return why;
        } else if (ours_ && !(entry.is_mark() && !has_room_for_extension(entry.mark.size()))) {
            return "there is an entry without the extension that all of this recording have";
        } else {
            tail_.plausible++;
        }
        position = next;
        entry_++;
        return {};
    }

    bool is_ours(const EntryExtension& extension) const
    {
        return !tail_.log_id || extension.log_id == *tail_.log_id;
    }

    /// What no entry of any recorder can be.
    std::string impossible(const Entry& entry, std::uint64_t position) const
    {
        if (is_all_zero(head_)) {
            return "there are only zeroes";
        }
        if (entry.damaged) {
            return "the header there does not match its checksum";
        }
        if (entry.sectors > largest_device / ss_ || entry.sector > largest_device / ss_ ||
            entry.sector + entry.sectors > largest_device / ss_) {
            return "what stands there is no header: its range is beyond any device";
        }
        if (!entry.is_discard() && entry.sectors * ss_ > log_.size() - position - ss_) {
            return fmt::format("the entry there, with a body of {} bytes, is not whole: the file "
                               "ends at byte {}",
                               entry.sectors * ss_, log_.size());
        }
        return {};
    }

    /// What kernels and QEMU do not write.
    std::string implausible(const Entry& entry) const
    {
        if ((entry.flags & ~known_flags) != 0) {
            return fmt::format("what stands there is no header: its flags are 0x{:x}",
                               entry.flags);
        }
        if (entry.is_mark()) {
            const bool good = entry.flags == flag_mark && entry.sector == 0 &&
                              entry.sectors == 0 && entry.mark.size() == entry.data_length &&
                              entry.data_length < ss_ - 32;
            return good ? "" : "what stands there is no mark that anybody writes";
        }
        if (entry.data_length != 0 || !is_all_zero(std::span(head_).subspan(32))) {
            return "what stands there is no header: bytes that are always zero are not";
        }
        if (entry.sectors == 0 && (entry.flags != flag_flush || entry.sector != 0)) {
            return "what stands there is no header: it does nothing";
        }
        if (entry.is_discard() && entry.flags != flag_discard) {
            return "what stands there is no header: a discard that is something else, too";
        }
        return {};
    }

    bool is_intact(const Entry& entry, std::uint64_t position) const
    {
        Record record;
        record.position = position;
        record.sector = entry.sector;
        record.sectors = entry.sectors;
        record.flags = static_cast<std::uint32_t>(entry.flags);
        record.kind = entry.extension->kind;
        record.extended = 1;
        return body_is_intact(log_, record);
    }

    const LogFile& log_;
    Tail& tail_;
    const std::uint64_t ss_;
    std::uint64_t entry_;
    bool ours_ = false;
    std::vector<std::byte> head_;
};

}  // namespace

Tail scan_tail(const LogFile& log, std::uint64_t entry, std::uint64_t position)
{
    Tail tail;
    tail.position = std::min(position, log.size());
    tail.bytes = log.size() - tail.position;
    tail.all_zero = is_zero_from(log, tail.position);
    tail.end = tail.position;
    tail.end_of_sure = tail.position;
    if (tail.bytes == 0) {
        tail.reason = fmt::format("byte {}: the file ends there", tail.position);
        return tail;
    }
    if (tail.all_zero) {
        // Do not go through a preallocated file twice.
        tail.reason = fmt::format("byte {}: there are only zeroes", tail.position);
        return tail;
    }
    Walk(log, tail, entry).run();
    tail.junk_behind = !is_zero_from(log, tail.end);
    return tail;
}

}  // namespace resilience::nbdcrash
