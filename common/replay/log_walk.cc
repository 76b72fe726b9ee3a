// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/log_walk.h"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "common/core/compare.h"

namespace resilience::writelog {
namespace {

// No device is larger: sizes are signed 64-bit numbers everywhere.
constexpr std::uint64_t largest_device = std::numeric_limits<std::int64_t>::max();

/// Calls `use` for [position, position + length), piece by piece, until it
/// returns false.
template <typename Use>
bool read_in_pieces(const LogSource& log, std::uint64_t position, std::uint64_t length, Use use)
{
    std::vector<std::byte> memory(std::min<std::uint64_t>(length, 1 << 20));
    while (length > 0) {
        const auto piece = std::span(memory).first(std::min<std::uint64_t>(length, memory.size()));
        log.read(position, piece);
        if (!use(std::span<const std::byte>(piece))) {
            return false;
        }
        position += piece.size();
        length -= piece.size();
    }
    return true;
}

/// Reads the entry at `position`.  Why it cannot be one; empty if it can.
std::string read_entry(const LogSource& log, std::uint64_t position, Entry& entry)
{
    const std::uint64_t ss = log.sector_size();
    if (position > log.size() || log.size() - position < ss) {
        return fmt::format("the file ends at byte {}", log.size());
    }
    entry = log.entry_at(position);
    if (entry.flags == 0 && entry.sectors == 0 && entry.sector == 0) {
        return "its header is all zeroes: nothing was ever written there";
    }
    if (entry.damaged) {
        return "its header does not match its checksum";
    }
    if (entry.flags > std::numeric_limits<std::uint32_t>::max()) {
        return fmt::format("Invalid flags 0x{:x}", entry.flags);
    }
    if (entry.sectors > largest_device / ss || entry.sector > largest_device / ss ||
        (entry.sector + entry.sectors) > largest_device / ss) {
        return fmt::format("sector {} and length {} are beyond what a device can have",
                           entry.sector, entry.sectors);
    }
    const std::uint64_t room = log.size() - position - ss;
    if (!entry.is_discard() && entry.sectors * ss > room) {
        return fmt::format("its body of {} bytes ends at byte {}, the file at byte {}",
                           entry.sectors * ss, position + ss + entry.sectors * ss, log.size());
    }
    return {};
}

/// The walk behind the counted entries.
class TailWalk {
public:
    TailWalk(const LogSource& log, const LogPlace& from,
             const std::function<void(const Entry&)>& on_sure)
        : log_(log), on_sure_(on_sure), ss_(log.sector_size()), entry_(from.entries),
          position_(std::min(from.position, log.size())),
          ours_(log.super().extension.has_value())
    {
        tail_.position = position_;
        tail_.bytes = log.size() - position_;
        tail_.end_of_sure = position_;
        tail_.log_id = from.log_id;
    }

    Tail run()
    {
        std::string why;
        while (why.empty()) {
            why = step();
        }
        tail_.end = ours_ ? tail_.end_of_sure : position_;
        tail_.reason = fmt::format("byte {}: {}", position_, why);
        return std::move(tail_);
    }

private:
    /// Takes the next entry and moves on; or says why it is none.
    std::string step()
    {
        Entry entry;
        if (std::string why = read_entry(log_, position_, entry); !why.empty()) {
            return why;
        }
        const std::uint64_t next = position_ + entry.log_sectors() * ss_;
        if (entry.extension) {
            if (tail_.log_id && entry.extension->log_id != *tail_.log_id) {
                return fmt::format("there is an entry of another recording (log id {:08x})",
                                   entry.extension->log_id);
            }
            if (!body_is_intact(log_, entry, position_)) {
                return fmt::format("the body of entry {} does not match its checksum", entry_);
            }
            take_sure(entry, next);
        } else if (std::string why = implausible(entry); !why.empty()) {
            return why;
        } else if (ours_ && !(entry.is_mark() && !has_room_for_extension(entry.mark.size()))) {
            return "there is an entry without the extension that all of this recording have";
        } else {
            tail_.plausible++;
        }
        position_ = next;
        entry_++;
        return {};
    }

    void take_sure(const Entry& entry, std::uint64_t next)
    {
        tail_.log_id = entry.extension->log_id;
        ours_ = true;
        tail_.sure += 1 + tail_.plausible;  // what it follows is of this log, too
        tail_.plausible = 0;
        tail_.end_of_sure = next;
        if (on_sure_) {
            on_sure_(entry);
        }
    }

    /// What kernels and QEMU do not write.
    std::string implausible(const Entry& entry)
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
        header_.resize(ss_);
        log_.read(position_, header_);
        if (entry.data_length != 0 || !is_all_zero(std::span(header_).subspan(32))) {
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

    const LogSource& log_;
    const std::function<void(const Entry&)>& on_sure_;
    const std::uint64_t ss_;
    Tail tail_;
    std::uint64_t entry_;
    std::uint64_t position_;
    bool ours_;
    std::vector<std::byte> header_;  ///< its whole sector
};

}  // namespace

CountedWalk::CountedWalk(const LogSource& log) : log_(log)
{
    end_.position = log.sector_size();
    if (const auto& extension = log.super().extension) {
        end_.log_id = extension->log_id;
    }
}

bool CountedWalk::next()
{
    const std::uint64_t counted = log_.super().entries;
    if (damage_ || end_.entries >= counted) {
        return false;
    }
    std::string why = read_entry(log_, end_.position, entry_);
    if (!why.empty()) {
        if (log_.size() < end_.position + log_.sector_size()) {
            why += fmt::format(", {} entries are counted", counted);
        }
        damage_ = Damage{end_.entries, end_.position,
                         fmt::format("entry {} at byte {}: {}", end_.entries, end_.position, why)};
        return false;
    }
    position_ = end_.position;
    end_.position += entry_.log_sectors() * log_.sector_size();
    end_.entries++;
    if (entry_.extension && !log_.super().extension) {
        end_.log_id = entry_.extension->log_id;
    }
    return true;
}

Tail scan_tail(const LogSource& log, const LogPlace& from,
               const std::function<void(const Entry& entry)>& on_sure)
{
    return TailWalk(log, from, on_sure).run();
}

bool body_is_intact(const LogSource& log, const Entry& entry, std::uint64_t position)
{
    if (!entry.extension || !entry.has_body() || entry.extension->kind == Kind::zero ||
        entry.extension->kind == Kind::zero_unmap) {
        return true;
    }
    BodyHash hash;
    read_in_pieces(log, position + log.sector_size(), entry.sectors * log.sector_size(),
                   [&](std::span<const std::byte> piece) {
                       hash.add(piece);
                       return true;
                   });
    return hash.value() == entry.extension->body_hash;
}

bool is_zero_from(const LogSource& log, std::uint64_t position)
{
    return position >= log.size() ||
           read_in_pieces(log, position, log.size() - position,
                          [](std::span<const std::byte> piece) { return is_all_zero(piece); });
}

}  // namespace resilience::writelog
