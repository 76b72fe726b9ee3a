// SPDX-License-Identifier: BSD-3-Clause

// Which entries a log has, common/replay decides for all of us (log_walk.h): what
// nbdcrash repair would count is what we go on behind.  Here is what a recorder
// wants besides: that it is this device's log, and that whatever stands before
// our entries can be read by everybody.

#include "filters/logwrites/log_scan.h"

#include <algorithm>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "common/core/compare.h"
#include "common/replay/log_walk.h"

namespace resilience::logwrites {

namespace {

using writelog::CountedWalk;
using writelog::Entry;
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

/// A log on any storage, to be walked.
class StoredLog final : public writelog::LogSource {
public:
    StoredLog(LogStorage& storage, const Superblock& super) : storage_(storage)
    {
        super_ = super;
        size_ = storage.size();
    }

    void read(std::uint64_t position, std::span<std::byte> into) const override
    {
        if (const int error = storage_.read(position, into)) {
            throw writelog::LogError(fmt::format("{} bytes at byte {} cannot be read: {}",
                                                 into.size(), position, error_text(error)));
        }
    }

private:
    LogStorage& storage_;
};

/// Why what is appended behind `entry` could not be read; empty if it could.
std::string flaw(const Entry& entry, std::uint32_t sector_size, std::uint64_t device_size)
{
    const std::uint64_t limit =
        device_size / sector_size + (device_size % sector_size != 0 ? 1 : 0);
    if (!entry.is_mark() && entry.sectors != 0 &&
        (entry.sectors > limit || entry.sector > limit - entry.sectors)) {
        return fmt::format("its {} sectors from sector {} on lie beyond the end of the device, "
                           "which has {} bytes",
                           entry.sectors, entry.sector, device_size);
    }
    return {};
}

void count_sequence(const Entry& entry, LogStart& start)
{
    if (const auto& extension = entry.extension) {
        start.sequence = std::max({start.sequence, extension->issued, extension->completed});
    }
}

std::string note_of(const LogStorage& storage, std::uint64_t recovered, const LogStart& start)
{
    std::string note;
    if (recovered != 0) {
        note = fmt::format("{} entries that the superblock did not count were recovered (the last "
                           "recorder did not end well)",
                           recovered);
    }
    if (!storage.fixed_size() && storage.size() > start.position) {
        note += fmt::format("{}{} bytes behind the last entry are cut off",
                            note.empty() ? "" : "; ", storage.size() - start.position);
    }
    return note;
}

/// The end of the counted entries.
writelog::LogPlace walk_counted(const LogStorage& storage, const StoredLog& log,
                                std::uint64_t device_size, LogStart& start)
{
    CountedWalk walk(log);
    while (walk.next()) {
        const Entry& entry = walk.entry();
        const std::uint64_t number = walk.end().entries - 1;
        if (const std::string text = flaw(entry, start.sector_size, device_size); !text.empty()) {
            fail("{}: Failed to read log entry {} at byte {}: {}", storage.name(), number,
                 walk.position(), text);
        }
        if ((entry.flags & ~writelog::known_flags) != 0) {
            fail("{}: Invalid flags 0x{:X} in log entry {} at byte {}", storage.name(),
                 entry.flags, number, walk.position());
        }
        count_sequence(entry, start);
    }
    if (walk.damage()) {
        fail("{}: Failed to read log {}", storage.name(), walk.damage()->text);
    }
    return walk.end();
}

LogStart inspect_for_append(LogStorage& storage, std::uint64_t device_size)
try {
    const Superblock super = read_super(storage);
    if (super.extension && super.extension->device_size != device_size) {
        fail("{}: this is the log of a device of {} bytes, the device has {}", storage.name(),
             super.extension->device_size, device_size);
    }
    LogStart start;
    start.append = true;
    start.sector_size = super.sector_size;
    start.extension = super.extension;
    const StoredLog log(storage, super);
    const writelog::LogPlace end = walk_counted(storage, log, device_size, start);
    std::string problem;
    const writelog::Tail tail = scan_tail(log, end, [&](const Entry& entry) {
        if (problem.empty()) {
            problem = flaw(entry, start.sector_size, device_size);
        }
        count_sequence(entry, start);
    });
    if (!problem.empty()) {
        fail("{}: an entry that the superblock did not count is not of this device: {}",
             storage.name(), problem);
    }
    start.entries = end.entries + tail.sure;
    start.position = tail.end_of_sure;
    start.note = note_of(storage, tail.sure, start);
    return start;
} catch (const writelog::LogError& error) {
    fail("{}: {}", storage.name(), error.what());
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
