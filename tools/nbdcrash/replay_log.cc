// SPDX-License-Identifier: BSD-3-Clause

// replay-log: the command line, the output and the exit statuses of the tool
// of that name which xfstests has, for scripts that know no other one.
//
// What it does differently, because the old tool is wrong there, is listed in
// its manual, REPLAY-LOG in nbdcrash(1).  Beyond that nothing is improved:
// entries are applied one by one, because between two of them --fsck may look
// at the device.

#include "tools/nbdcrash/commands.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "common/file/file_device.h"
#include "tools/nbdcrash/content.h"
#include "tools/nbdcrash/output.h"
#include "tools/nbdcrash/replay_log_options.h"

namespace resilience::nbdcrash {

namespace {

/// To the standard output.  Whoever read it may be gone (`replay-log -v | head`):
/// the work goes on without a listener.
template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args)
{
    std::fputs(fmt::format(format, std::forward<Args>(args)...).c_str(), stdout);
}

using namespace writelog;

constexpr int exit_failure = 1;
constexpr int exit_malformed = 255;  // of --find only
constexpr std::uint64_t piece_size = 1 << 20;

/// An entry that is not as it must be, or the end of a log that is cut short.
class Malformed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

std::string flags_words(std::uint64_t flags)
{
    // The old tool knows no METADATA.
    const std::uint64_t known = flags & (flag_flush | flag_fua | flag_discard | flag_mark);
    if (flags == known) {
        return flags_text(flags);
    }
    return (known == 0 ? "" : flags_text(known) + "|") +
           fmt::format("UNKNOWN.0x{:x}", flags & ~known);
}

/// Goes through the entries that the command line names.
class ReplayLog {
public:
    ReplayLog(const ReplayLogOptions& options)
        : options_(options), log_(open_log({options.log, false, options.no_index})),
          sector_size_(log_.file->sector_size()), entries_(log_.file->super().entries)
    {
    }

    int run()
    {
        if (options_.num_entries && !options_.find) {
            say("{}\n", entries_);
            return 0;
        }
        if (options_.replay.empty() && !options_.find) {
            say("Log version={}, sectorsize={}, entries={}\n", log_version, sector_size_,
                       entries_);
            return 0;
        }
        if (!seek_start()) {
            return exit_failure;
        }
        return options_.find ? find() : replay();
    }

private:
    /// Of which entry `number` is, checked as the old tool does.  Throws
    /// Malformed where the log is not usable.
    Entry at(std::uint64_t number) const
    {
        if (number >= log_.index->size()) {
            throw Malformed(log_.index->damage() ? log_.index->damage()->text
                                                 : "the log ends here");
        }
        const std::uint64_t position = (*log_.index)[number].position;
        const Entry entry = log_.file->entry_at(position);
        const bool nothing = entry.flags == 0 && entry.sectors == 0;
        const bool padded = entry.flags != flag_mark && (entry.dirty_padding || entry.is_mark());
        if (nothing || (padded && first_free_byte(position) != std::byte{0})) {
            throw Malformed(fmt::format("Malformed entry @{} (entry {} at byte {})",
                                        position / sector_size_, number, position));
        }
        return entry;
    }

    std::byte first_free_byte(std::uint64_t position) const
    {
        std::byte byte{};
        if (sector_size_ > 32) {
            log_.file->read(position + 32, std::span(&byte, 1));
        }
        return byte;
    }

    /// The sector of the log behind the header, and behind the body.
    std::uint64_t body_sector(std::uint64_t number) const
    {
        return (*log_.index)[number].position / sector_size_ + 1;
    }
    std::uint64_t next_sector(std::uint64_t number, const Entry& entry) const
    {
        return (*log_.index)[number].position / sector_size_ + entry.log_sectors();
    }

    bool seek_start()
    {
        if (options_.has_start_mark) {
            for (; next_ < entries_; next_++) {
                const Entry entry = at(next_);
                print_seek(next_, entry);
                if (entry.is_mark() && entry.mark == options_.start_mark) {
                    next_++;
                    return true;
                }
            }
            std::fprintf(stderr, "Couldn't find starting mark\n");
            return false;
        }
        if (options_.start_entry >= entries_) {
            std::fprintf(stderr, "Invalid entry number\n");
            return false;
        }
        for (; next_ < options_.start_entry; next_++) {
            const Entry entry = at(next_);
            if (options_.verbose > 1) {
                say("seek entry {}@{}: {}, size {}, flags 0x{:x}\n", next_,
                           body_sector(next_) - 1, entry.sector, entry.sectors * sector_size_,
                           entry.flags);
            }
        }
        return true;
    }

    void print_seek(std::uint64_t number, const Entry& entry) const
    {
        if (options_.verbose > 1) {
            say("seek entry {}@{}: {}, size {}, flags 0x{:x}({})\n", number,
                       body_sector(number), entry.sector, entry.sectors * sector_size_,
                       entry.flags, flags_words(entry.flags));
        }
    }

    /// Whether to stop behind the entry, which is the `count`-th.
    bool stops(const Entry& entry, std::uint64_t count) const
    {
        if (options_.limit != 0 && count == options_.limit) {
            return true;
        }
        if (options_.has_end_mark) {  // with a mark, nothing else stops
            return entry.is_mark() && entry.mark == options_.end_mark;
        }
        return (options_.next_flush && entry.is_flush()) ||
               (options_.next_fua && entry.is_fua());
    }

    int find()
    {
        std::uint64_t count = 0;
        for (; next_ < entries_; next_++) {
            const Entry entry = at(next_);
            print_seek(next_, entry);
            if (stops(entry, ++count)) {
                say("{}@{}\n", next_, next_sector(next_, entry));
                return 0;
            }
        }
        std::fprintf(stderr, "Couldn't find entry\n");
        return exit_failure;
    }

    // ---- replaying ----------------------------------------------------------

    bool is_skipped(const Entry& entry) const
    {
        return entry.sectors != 0 && (entry.sector + entry.sectors <= options_.start_sector ||
                                      entry.sector > options_.end_sector);
    }

    /// Where the replay will end, if no fsck ends it: to know before anything
    /// is changed whether the mark is there, and how large the device must be.
    bool look_ahead()
    {
        std::uint64_t count = 0;
        bool mark_found = !options_.has_end_mark;
        bool stopped = false;
        for (std::uint64_t number = next_; number < log_.index->size(); number++) {
            const Entry entry = log_.file->entry_at((*log_.index)[number].position);
            const Record& record = (*log_.index)[number];
            if (!stopped && record.changes() && !is_skipped(entry)) {
                reach_ = std::max(reach_, record.offset + record.length);
            }
            mark_found = mark_found || (entry.is_mark() && entry.mark == options_.end_mark);
            stopped = stopped || stops(entry, ++count);
            if (stopped && mark_found) {
                break;
            }
        }
        if (!mark_found) {
            std::fprintf(stderr, "Couldn't find end mark '%s'; nothing was replayed\n",
                         options_.end_mark.c_str());
        }
        return mark_found;
    }

    /// A regular file grows if it must, as with the old tool.
    void open_device()
    {
        const std::string path = std::filesystem::absolute(options_.replay).string();
        struct stat status = {};
        if (::stat(path.c_str(), &status) == -1) {
            throw ToolError(fmt::format("Couldn't open replay file {}: {}", options_.replay,
                                        std::strerror(errno)));
        }
        if (S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) < reach_ &&
            ::truncate(path.c_str(), static_cast<off_t>(reach_)) == -1) {
            throw ToolError(fmt::format("{}: cannot be made {} bytes large: {}", options_.replay,
                                        reach_, std::strerror(errno)));
        }
        if (S_ISREG(status.st_mode) && status.st_size == 0 && reach_ == 0) {
            return;  // an empty device, and nothing that could go there
        }
        OpenOptions child;
        child.lock = false;  // fsck looks at it meanwhile
        device_ = std::make_shared<FileDevice>(path, child, options_.replay);
        if (device_->size() < reach_) {
            throw ToolError(fmt::format("{}: has {} bytes, the log goes up to byte {}",
                                        options_.replay, device_->size(), reach_));
        }
    }

    int replay()
    {
        if (!look_ahead()) {
            return exit_failure;
        }
        open_device();
        std::uint64_t count = 0;
        for (; next_ < entries_; next_++) {
            const Entry entry = at(next_);
            const bool skipped = is_skipped(entry);
            if (options_.verbose > 1 || (options_.verbose == 1 && !skipped)) {
                say("{} {}@{}: sector {}, size {}, flags 0x{:x}({})\n",
                           skipped ? "skipping" : "replaying", next_, body_sector(next_),
                           entry.sector, entry.sectors * sector_size_, entry.flags,
                           flags_words(entry.flags));
            }
            if (!skipped) {
                apply((*log_.index)[next_]);
            }
            if (is_checked(entry, ++count) && !fsck()) {
                std::fprintf(stderr, "Fsck errored out on entry %llu\n",
                             static_cast<unsigned long long>(next_));
                return exit_failure;
            }
            if (stops(entry, count)) {
                break;
            }
        }
        sync();
        return 0;
    }

    void apply(const Record& record)
    {
        if (!record.changes() || (record.is_discard() && options_.no_discard)) {
            return;
        }
        if (!body_is_intact(*log_.file, record)) {
            throw Malformed(fmt::format("entry {} at byte {}: its body does not match its checksum",
                                        next_, record.position));
        }
        const std::uint64_t body = record.position + sector_size_ + record.offset -
                                   record.sector * sector_size_;
        std::vector<std::byte> buffer(std::min(piece_size, record.length));
        for (std::uint64_t done = 0; done < record.length;) {
            Request request;
            request.offset = record.offset + done;
            request.length = record.length - done;
            if (record.is_discard()) {
                request.op = Op::zero;
                request.flags.may_trim = true;
                request.length = std::min<std::uint64_t>(request.length, 1 << 30);
            } else {
                request.op = Op::write;
                request.length = std::min<std::uint64_t>(request.length, buffer.size());
                const auto bytes = std::span(buffer).first(request.length);
                log_.file->read(body + done, bytes);
                request.from = bytes;
            }
            require(*device_, request);
            done += request.length;
        }
    }

    bool is_checked(const Entry& entry, std::uint64_t count) const
    {
        switch (options_.check) {
        case Check::never: break;
        case Check::number: return count % options_.check_number == 0;
        case Check::flush: return entry.is_flush();
        case Check::fua: return entry.is_fua();
        case Check::discard: return entry.is_discard();
        }
        return false;
    }

    void sync()
    {
        if (device_) {
            Request request;
            request.op = Op::flush;
            require(*device_, request);
        }
    }

    /// Whether the device is good.  A command that was killed has found
    /// nothing out.
    bool fsck()
    {
        sync();
        std::fflush(stdout);  // its output comes behind ours
        const int status = std::system(options_.fsck.c_str());
        if (status == -1) {
            std::fprintf(stderr, "Fsck couldn't be run: %s\n", std::strerror(errno));
            return false;
        }
        // A shell tells of a killed command by 128 and the signal's number.
        if (WIFSIGNALED(status)) {
            std::fprintf(stderr, "Fsck was killed by signal %d\n", WTERMSIG(status));
        }
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

    const ReplayLogOptions& options_;
    const OpenedLog log_;
    const std::uint64_t sector_size_;
    const std::uint64_t entries_;
    std::uint64_t next_ = 0;
    std::uint64_t reach_ = 0;
    std::shared_ptr<Device> device_;
};

/// A handler, because an ignored signal would stay ignored in --fsck.
void stay_alive(int) {}

int fail(int status, const char* text)
{
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", tools::printable(text).c_str());
    return status;
}

}  // namespace

int replay_log_main(int argc, char** argv)
{
    // "replay-log -v ... | head" must not end in the middle of the replay.
    struct sigaction action = {};
    action.sa_handler = stay_alive;
    ::sigaction(SIGPIPE, &action, nullptr);
    ReplayLogOptions options;
    try {
        options = parse_replay_log(argc, argv);
    } catch (const ToolError& error) {
        std::fprintf(stderr, "%s%s%s", error.what(), *error.what() == '\0' ? "" : "\n",
                     replay_log_usage);
        return exit_failure;
    }
    if (options.help) {
        std::fputs(replay_log_usage, stdout);
        return 0;
    }
    try {
        const int status = ReplayLog(options).run();
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
            return fail(exit_failure, "the output could not be written");
        }
        return status;
    } catch (const Malformed& error) {
        return fail(options.find ? exit_malformed : exit_failure, error.what());
    } catch (const std::exception& error) {
        return fail(exit_failure, error.what());
    }
}

}  // namespace resilience::nbdcrash
