// SPDX-License-Identifier: BSD-3-Clause

// The log is walked here and not by common/replay, which reads files alone and
// keeps what it has read: a log can be on any device, and all that is wanted of
// it is where it ends.
//
// Behind the entries that the superblock counts there can be more: those of a
// recorder that was killed before it counted them, which belong to the log, or
// those of an older log in the same place, which do not.  The extension of the
// headers tells: it has the log's number, and checksums of header and body.

#include "filters/logwrites/log_scan.h"

#include <algorithm>
#include <limits>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "common/core/compare.h"

namespace resilience::logwrites {

namespace {

using writelog::Entry;
using writelog::HeaderBytes;
using writelog::Superblock;

std::string error_text(int error) { return std::generic_category().message(error); }

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args)
{
    throw SetupError("logwrites-log=" + fmt::format(format, std::forward<Args>(args)...));
}

/// The beginning of the log; shorter if the log is.
std::vector<std::byte> read_start(LogStorage& storage)
{
    std::vector<std::byte> bytes(
        std::min<std::uint64_t>(storage.size(), writelog::header_bytes));
    if (const int error = storage.read(0, bytes)) {
        fail("{}: Could not read log superblock: {}", storage.name(), error_text(error));
    }
    return bytes;
}

/// A disk that was given as the log by mistake must not be overwritten.
void check_replaceable(LogStorage& storage)
{
    const auto bytes = read_start(storage);
    if (bytes.empty() || writelog::decode_superblock(bytes)) {
        return;
    }
    if (storage.fixed_size() && is_all_zero(bytes)) {
        return;
    }
    fail("{}: this is neither empty nor a log, and will not be overwritten: were the log and the "
         "disk mixed up?  {}",
         storage.name(),
         storage.fixed_size() ? "Zero its first 512 bytes if it really is for the log"
                              : "Remove the file if it really is for the log");
}

Superblock read_super(LogStorage& storage)
{
    const auto bytes = read_start(storage);
    const auto super = writelog::decode_superblock(bytes);
    if (!super) {
        fail("{}: Invalid log superblock magic", storage.name());
    }
    if (super->version != writelog::log_version) {
        fail("{}: Unsupported log version {}", storage.name(), super->version);
    }
    check_sector_size("logwrites-log=" + storage.name(), super->sector_size);
    if (super->damaged) {
        fail("{}: the superblock does not match its checksum; nbdcrash repair makes a new one from "
             "the entries",
             storage.name());
    }
    return *super;
}

class Walk {
public:
    Walk(LogStorage& storage, const Superblock& super, std::uint64_t device_size)
        : storage_(storage), super_(super), device_size_(device_size), size_(storage.size()),
          position_(super.sector_size)
    {
    }

    void counted()
    {
        while (entries_ < super_.entries) {
            Entry entry;
            std::string problem = read(entry);
            if (problem.empty()) {
                problem = flaw(entry);
            }
            if (!problem.empty()) {
                fail("{}: Failed to read log entry {} at byte {}: {} (the superblock counts {} "
                     "entries)",
                     storage_.name(), entries_, position_, problem, super_.entries);
            }
            if ((entry.flags & ~writelog::known_flags) != 0) {
                fail("{}: Invalid flags 0x{:X} in log entry {} at byte {}", storage_.name(),
                     entry.flags, entries_, position_);
            }
            pass(entry);
        }
    }

    /// Entries of this log behind the counted ones.
    void uncounted()
    {
        Entry entry;
        while (super_.extension && read(entry).empty() && is_ours(entry)) {
            pass(entry);
        }
    }

    std::uint64_t entries() const { return entries_; }
    std::uint64_t position() const { return position_; }
    std::uint64_t sequence() const { return sequence_; }

private:
    /// What is wrong; empty if nothing is.
    std::string read(Entry& entry)
    {
        const std::uint64_t ss = super_.sector_size;
        if (position_ > size_ || size_ - position_ < ss) {
            return fmt::format("the log ends at byte {}", size_);
        }
        HeaderBytes bytes;
        if (const int error = storage_.read(position_, bytes)) {
            return error_text(error);
        }
        entry = writelog::decode_entry(bytes);
        const std::uint64_t room = (size_ - position_) / ss;
        if (entry.has_body() && entry.sectors > room - 1) {
            return fmt::format("its body has {} sectors, but the log ends at byte {}",
                               entry.sectors, size_);
        }
        return {};
    }

    /// Why no reader would take a whole entry for one, or this device's; what
    /// is appended behind such a one could never be read.
    std::string flaw(const Entry& entry) const
    {
        if (entry.flags == 0 && entry.sectors == 0 && entry.sector == 0) {
            return "its header is all zeroes: nothing was ever written there";
        }
        if (entry.damaged) {
            return "its header does not match its checksum";
        }
        const std::uint64_t ss = super_.sector_size;
        const std::uint64_t limit = device_size_ / ss + (device_size_ % ss != 0 ? 1 : 0);
        if (!entry.is_mark() && entry.sectors != 0 &&
            (entry.sectors > limit || entry.sector > limit - entry.sectors)) {
            return fmt::format("its {} sectors from sector {} on lie beyond the end of the device, "
                               "which has {} bytes",
                               entry.sectors, entry.sector, device_size_);
        }
        return {};
    }

    bool is_ours(const Entry& entry)
    {
        return entry.extension && entry.extension->log_id == super_.extension->log_id &&
               (entry.flags & ~writelog::known_flags) == 0 && body_is_whole(entry);
    }

    bool body_is_whole(const Entry& entry)
    {
        if (entry.extension->body_hash == 0) {
            return true;
        }
        writelog::BodyHash hash;
        std::uint64_t from = position_ + super_.sector_size;
        std::uint64_t left = entry.has_body() ? entry.sectors * super_.sector_size : 0;
        std::vector<std::byte> piece(std::min<std::uint64_t>(left, 1 << 20));
        while (left > 0) {
            const auto part =
                std::span(piece).first(std::min<std::uint64_t>(left, piece.size()));
            if (storage_.read(from, part) != 0) {
                return false;
            }
            hash.add(part);
            from += part.size();
            left -= part.size();
        }
        return hash.value() == entry.extension->body_hash;
    }

    void pass(const Entry& entry)
    {
        if (entry.extension) {
            sequence_ = std::max({sequence_, entry.extension->issued, entry.extension->completed});
        }
        position_ += entry.log_sectors() * super_.sector_size;
        entries_++;
    }

    LogStorage& storage_;
    const Superblock& super_;
    const std::uint64_t device_size_;
    const std::uint64_t size_;
    std::uint64_t position_;
    std::uint64_t entries_ = 0;
    std::uint64_t sequence_ = 0;
};

std::string note_of(const LogStorage& storage, const Superblock& super, const Walk& walk)
{
    std::string note;
    if (walk.entries() > super.entries) {
        note = fmt::format("{} entries that the superblock did not count were recovered (the last "
                           "recorder did not end well)",
                           walk.entries() - super.entries);
    }
    if (!storage.fixed_size() && storage.size() > walk.position()) {
        note += fmt::format("{}{} bytes behind the last entry are cut off",
                            note.empty() ? "" : "; ", storage.size() - walk.position());
    }
    return note;
}

LogStart inspect_for_append(LogStorage& storage, std::uint64_t device_size)
{
    const Superblock super = read_super(storage);
    if (super.extension && super.extension->device_size != device_size) {
        fail("{}: this is the log of a device of {} bytes, the device has {}", storage.name(),
             super.extension->device_size, device_size);
    }
    Walk walk(storage, super, device_size);
    walk.counted();
    walk.uncounted();
    LogStart start;
    start.append = true;
    start.sector_size = super.sector_size;
    start.entries = walk.entries();
    start.position = walk.position();
    start.sequence = walk.sequence();
    start.extension = super.extension;
    start.note = note_of(storage, super, walk);
    return start;
}

}  // namespace

LogStart inspect_log(LogStorage& storage, const Options& options, std::uint64_t device_size)
{
    LogStart start;
    const bool append = options.append && storage.size() > 0;
    if (append) {
        start = inspect_for_append(storage, device_size);
    } else {
        check_replaceable(storage);
        start.sector_size = options.sector_size.value_or(writelog::smallest_sector);
        start.position = start.sector_size;
    }
    if (start.sector_size % storage.block_size() != 0) {
        fail("{}: it can only be written in blocks of {} bytes, the log has sectors of {}",
             storage.name(), storage.block_size(), start.sector_size);
    }
    constexpr std::uint64_t least = 8;  // superblock, start, something, end
    if (storage.fixed_size() && storage.size() / start.sector_size < least) {
        fail("{}: {} bytes are too few for a log; {} are needed at least", storage.name(),
             storage.size(), least * start.sector_size);
    }
    return start;
}

}  // namespace resilience::logwrites
