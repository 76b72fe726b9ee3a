// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/file_storage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "common/file/file_lock.h"

namespace resilience::logwrites {

namespace {

off_t as_off(std::uint64_t value) { return static_cast<off_t>(value); }

/// Takes `done` bytes off the front of `parts`.
std::span<iovec> behind(std::span<iovec> parts, std::size_t done)
{
    while (!parts.empty() && done >= parts.front().iov_len) {
        done -= parts.front().iov_len;
        parts = parts.subspan(1);
    }
    if (done > 0) {
        parts.front().iov_base = static_cast<std::byte*>(parts.front().iov_base) + done;
        parts.front().iov_len -= done;
    }
    return parts;
}

}  // namespace

FileStorage::FileStorage(const std::string& path, std::string name)
    : name_(std::move(name)),
      fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644))
{
    if (!fd_) {
        throw SetupError(fmt::format("'{}' cannot be opened for writing: {}", name_,
                                     std::generic_category().message(errno)));
    }
    struct stat st = {};
    if (fstat(fd_.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
        throw SetupError(fmt::format("'{}' is no regular file any more", name_));
    }
    lock_file(name_, fd_.get(), true);
}

std::uint64_t FileStorage::size() const
{
    struct stat st = {};
    return fstat(fd_.get(), &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

int FileStorage::read(std::uint64_t position, std::span<std::byte> into)
{
    while (!into.empty()) {
        const ssize_t n = pread(fd_.get(), into.data(), into.size(), as_off(position));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        position += static_cast<std::uint64_t>(n);
        into = into.subspan(static_cast<std::size_t>(n));
    }
    return 0;
}

int FileStorage::write(std::uint64_t position, std::span<iovec> parts)
{
    while (!parts.empty()) {
        const ssize_t n =
            pwritev(fd_.get(), parts.data(), static_cast<int>(parts.size()), as_off(position));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        position += static_cast<std::uint64_t>(n);
        parts = behind(parts, static_cast<std::size_t>(n));
    }
    return 0;
}

// The range was never written, so it is zeroes already.  Only the file has to
// be long enough, and ftruncate() might make it shorter: another thread may
// have written behind this range meanwhile.
int FileStorage::write_hole(std::uint64_t position, std::uint64_t length)
{
    std::byte zero{0};
    iovec part = {&zero, 1};
    return write(position + length - 1, {&part, 1});
}

int FileStorage::reserve(std::uint64_t position, std::uint64_t length)
{
    while (fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, as_off(position), as_off(length)) != 0) {
        switch (errno) {
        case EINTR: continue;
        case EDQUOT:
        case EFBIG:
        case ENOSPC: return ENOSPC;
        case EOPNOTSUPP:
        case ENOSYS:
        case ENODEV: return ENOTSUP;
        default: return errno;
        }
    }
    return 0;
}

void FileStorage::extend(std::uint64_t end)
{
    if (size() < end && ftruncate(fd_.get(), as_off(end)) != 0) {
        // The hole's last byte is still to be written, and will tell.
    }
}

void FileStorage::release(std::uint64_t position, std::uint64_t length)
{
    // If this does not work, the space is not given back, and that is all.
    while (fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, as_off(position),
                     as_off(length)) != 0 &&
           errno == EINTR) {
    }
}

int FileStorage::cut(std::uint64_t end)
{
    return ftruncate(fd_.get(), as_off(end)) == 0 ? 0 : errno;
}

int FileStorage::sync() { return fdatasync(fd_.get()) == 0 ? 0 : errno; }

}  // namespace resilience::logwrites
