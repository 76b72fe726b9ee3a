// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/file/file_lock.h"

namespace resilience::writelog {
namespace {

// Of a mark's text this much is read at most; longer ones do not exist.
constexpr std::uint32_t longest_header = 4096;

[[noreturn]] void fail(const std::string& path, const std::string& text)
{
    throw LogError(fmt::format("{}: {}", path, text));
}

std::uint64_t size_of(const std::string& path, int fd)
{
    struct stat status = {};
    if (::fstat(fd, &status) == -1) {
        fail(path, std::strerror(errno));
    }
    if (S_ISREG(status.st_mode)) {
        return static_cast<std::uint64_t>(status.st_size);
    }
    if (S_ISBLK(status.st_mode)) {
        const off_t end = ::lseek(fd, 0, SEEK_END);
        if (end == -1) {
            fail(path, std::strerror(errno));
        }
        return static_cast<std::uint64_t>(end);
    }
    fail(path, S_ISDIR(status.st_mode)
                   ? "is a directory; a log is a regular file or a block device"
                   : "is neither a regular file nor a block device, so no log");
}

/// What `read` returns; read again while `is_damaged` and there is a recorder in
/// the middle of a write, which may be waiting for its turn.
template <typename Read, typename IsDamaged>
auto read_settled(int fd, Read read, IsDamaged is_damaged)
{
    constexpr std::chrono::seconds patience{1};
    constexpr std::chrono::milliseconds pause{1};
    auto value = read();
    if (is_damaged(value) && has_writer(fd)) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        do {
            std::this_thread::sleep_for(pause);
            value = read();
        } while (is_damaged(value) && std::chrono::steady_clock::now() < deadline);
    }
    return value;
}

}  // namespace

Entry LogSource::entry_at(std::uint64_t position) const
{
    HeaderBytes bytes{};
    const auto head = std::span(bytes).first(
        std::min<std::size_t>(sector_size(), bytes.size()));
    read(position, head);
    Entry entry = decode_entry(head);
    if (entry.is_mark() && entry.mark.size() == head.size() - 32 && sector_size() > head.size()) {
        // A long text, as kernels with large sectors write it.
        std::vector<std::byte> whole(std::min(sector_size(), longest_header));
        read(position, whole);
        entry = decode_entry(whole);
    }
    return entry;
}

std::uint64_t time_of_change(int fd)
{
    struct stat status = {};
    if (::fstat(fd, &status) == -1) {
        return 0;
    }
    return static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
}

LogFile::LogFile(std::string path, const Superblock& super) : path_(std::move(path))
{
    super_ = super;
    // Not blocking: a FIFO would wait for a writer for ever.
    fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd_) {
        fail(path_, fmt::format("cannot be opened: {}", std::strerror(errno)));
    }
    changed_ns_ = time_of_change(fd_.get());
    size_ = size_of(path_, fd_.get());
}

LogFile::LogFile(std::string path) : LogFile(std::move(path), Superblock())
{
    if (size_ == 0) {
        fail(path_, "is empty: nothing has been logged, not even a superblock");
    }
    HeaderBytes bytes{};
    const auto super = read_settled(
        fd_.get(), [&] { return read_superblock(bytes); },
        [](const auto& each) { return each && each->damaged; });
    if (!super) {
        const bool zero = std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
        fail(path_, zero ? "Invalid log superblock magic: the superblock at byte 0 is all zeroes, "
                           "as when a recorder was killed before it wrote one"
                         : "Invalid log superblock magic: this is no dm-log-writes log");
    }
    super_ = *super;
    if (super_.damaged) {
        fail(path_, "the superblock at byte 0 does not match its checksum; nbdcrash repair makes "
                    "a new one from the entries");
    }
    if (super_.version != log_version) {
        fail(path_, fmt::format("Unsupported log version {}; only version {} is known",
                                super_.version, log_version));
    }
    if (!is_sector_size(super_.sector_size, smallest_readable_sector)) {
        fail(path_, fmt::format("Invalid log sector size {} in the superblock: it must be a power "
                                "of two from {} to {}",
                                super_.sector_size, smallest_readable_sector, largest_sector));
    }
    // Again: of a log that is being recorded, what is counted now may have been
    // behind the end a moment ago.
    size_ = size_of(path_, fd_.get());
}

int LogFile::read_or_errno(std::uint64_t position, std::span<std::byte> into) const
{
    while (!into.empty()) {
        const ssize_t n = ::pread(fd_.get(), into.data(), into.size(),
                                  static_cast<off_t>(position));
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 ? EIO : errno;
        }
        into = into.subspan(static_cast<std::size_t>(n));
        position += static_cast<std::uint64_t>(n);
    }
    return 0;
}

void LogFile::read(std::uint64_t position, std::span<std::byte> into) const
{
    const int error = read_or_errno(position, into);
    if (error != 0) {
        fail(path_, fmt::format("{} bytes at byte {} cannot be read: {}", into.size(), position,
                                error == EIO ? "the file ends before, or the disk has an error"
                                             : std::strerror(error)));
    }
}

/// Of `bytes`, those stay zero which the file does not have.
std::optional<Superblock> LogFile::read_superblock(HeaderBytes& bytes) const
{
    const auto head = std::span(bytes).first(std::min<std::uint64_t>(size_, bytes.size()));
    read(0, head);
    return decode_superblock(head);
}

Entry LogFile::entry_at(std::uint64_t position) const
{
    return read_settled(
        fd_.get(), [&] { return LogSource::entry_at(position); },
        [](const Entry& entry) { return entry.damaged; });
}

}  // namespace resilience::writelog
