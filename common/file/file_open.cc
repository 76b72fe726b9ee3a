// SPDX-License-Identifier: BSD-3-Clause
#include "common/file/file_open.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/setup_error.h"
#include "common/device/buffer_pool.h"
#include "common/file/file_lock.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

std::string error_text(int error)
{
    return std::generic_category().message(error);
}

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args)
{
    throw SetupError(fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void fail_not_writable(const std::string& path, const std::string& reason)
{
    fail("'{}' cannot be written ({}); make it writable or open it read-only", path, reason);
}

const char* kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a directory"
           : S_ISCHR(mode)  ? "a character device"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket (for an NBD server use nbd+unix:///?socket=PATH)"
                            : "neither a file nor a block device";
}

void check_kind(const std::string& path, const struct stat& st)
{
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        fail("'{}' is {}; allowed is a regular file or a block device", path,
             kind_of(st.st_mode));
    }
}

/// Looks before opening: merely opening a pipe can hang, and opening a
/// character device can rewind a tape or arm a watchdog.
void check_before_open(const std::string& path, const OpenOptions& options)
{
    struct stat st = {};
    if (stat(path.c_str(), &st) != 0) {
        if (errno == ENOENT) {
            fail("'{}' does not exist; allowed is an existing file or block device", path);
        }
        fail("'{}' cannot be used: {}", path, error_text(errno));
    }
    check_kind(path, st);
    // root may write it all the same, but its owner has said that it is not
    // to be written: golden images are protected like this.
    if (options.writable && (st.st_mode & 0222) == 0) {
        fail_not_writable(path, "no user has the permission to write it");
    }
}

UniqueFd open_or_fail(const std::string& path, int flags)
{
    UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY));
    if (fd) {
        return fd;
    }
    const int error = errno;
    if ((flags & O_ACCMODE) == O_RDWR &&
        (error == EACCES || error == EPERM || error == EROFS || error == ETXTBSY)) {
        fail_not_writable(path, error_text(error));
    }
    if ((flags & O_DIRECT) != 0 && error == EINVAL) {
        fail("'{}' cannot be opened past the page cache: its file system has no direct I/O; "
             "leave out cache=none",
             path);
    }
    fail("'{}' cannot be opened: {}", path, error_text(error));
}

/// A number from the queue folder of a disk, or of the disk of a partition.
std::optional<std::uint64_t> queue_attribute(dev_t device, const char* name)
{
    for (const char* queue : {"queue", "../queue"}) {
        std::ifstream file(
            fmt::format("/sys/dev/block/{}:{}/{}/{}", major(device), minor(device), queue, name));
        std::uint64_t value = 0;
        if (file >> value) {
            return value;
        }
    }
    return std::nullopt;
}

void inspect_block_device(const std::string& path, dev_t device, OpenedFile& file)
{
    const int fd = file.fd.get();
    if (ioctl(fd, BLKGETSIZE64, &file.size) != 0) {
        fail("the size of block device '{}' cannot be read: {}", path, error_text(errno));
    }
    int logical_block = 0;
    if (ioctl(fd, BLKSSZGET, &logical_block) == 0 && logical_block > 0) {
        file.logical_block = static_cast<std::uint32_t>(logical_block);
    }
    int read_only = 0;
    if (file.writable && ioctl(fd, BLKROGET, &read_only) == 0 && read_only != 0) {
        fail_not_writable(path, "the block device is read-only");
    }
    file.rotational = queue_attribute(device, "rotational").value_or(0) != 0;
    file.discard = queue_attribute(device, "discard_max_bytes").value_or(1) != 0;
    file.punch = queue_attribute(device, "write_zeroes_max_bytes").value_or(1) != 0;
}

/// Whether the file system can punch holes, asked where there is nothing to
/// lose: behind the end of the file.
bool can_punch(const OpenedFile& file)
{
    constexpr std::uint64_t round = 64 * 1024;
    const auto behind = static_cast<off_t>((file.size + round - 1) / round * round);
    if (fallocate(file.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, behind, 4096) == 0) {
        return true;
    }
    // Any other error is about the place, not about the file system.
    return errno != EOPNOTSUPP && errno != ENOSYS && errno != ENODEV;
}

void inspect_regular_file(const struct stat& st, OpenedFile& file)
{
    file.size = static_cast<std::uint64_t>(st.st_size);
    file.rotational = queue_attribute(st.st_dev, "rotational").value_or(0) != 0;
    file.punch = file.writable && can_punch(file);
    file.seek_data = lseek(file.fd.get(), 0, SEEK_DATA) >= 0 || errno == ENXIO;
}

/// Finds the alignment that direct I/O needs by trying it, for kernels and
/// file systems that do not tell.
std::uint32_t probe_alignment(int fd)
{
    constexpr std::array<std::uint32_t, 3> candidates = {512, 1024, 2048};
    const Buffer buffer = take_buffer(4096);
    for (const auto candidate : candidates) {
        // At an offset that is a multiple of nothing larger.
        if (pread(fd, buffer.memory.get(), candidate, candidate) >= 0) {
            return candidate;
        }
    }
    return 4096;
}

void find_alignment(const std::string& path, OpenedFile& file)
{
    struct statx stx = {};
    const int result = statx(file.fd.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx);
    if (result == 0 && (stx.stx_mask & STATX_DIOALIGN) != 0) {
        if (stx.stx_dio_offset_align == 0) {
            fail("'{}' cannot be used past the page cache: its file system has no direct I/O "
                 "for it; leave out cache=none",
                 path);
        }
        file.offset_alignment = stx.stx_dio_offset_align;
        file.memory_alignment = stx.stx_dio_mem_align;
    } else {
        file.offset_alignment =
            file.block_device ? file.logical_block : probe_alignment(file.fd.get());
        file.memory_alignment = std::max<std::uint32_t>(file.offset_alignment, 4096);
    }
    if (file.size % file.offset_alignment != 0) {
        fail("'{}' has {} bytes, which is no multiple of {}, as reading past the page cache "
             "needs it; change its size or leave out cache=none",
             path, file.size, file.offset_alignment);
    }
}

bool lives_in_memory(int fd)
{
    struct statfs fs = {};
    // f_type is signed on some machines, and the number has its top bit set.
    const auto type = fstatfs(fd, &fs) == 0 ? static_cast<std::uint32_t>(fs.f_type) : 0U;
    return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

OpenedFile open_and_inspect(const std::string& path, const OpenOptions& options)
{
    check_before_open(path, options);
    const int access = options.writable ? O_RDWR : O_RDONLY;
    OpenedFile file;
    file.writable = options.writable;
    file.fd = open_or_fail(path, access);

    struct stat st = {};
    if (fstat(file.fd.get(), &st) != 0) {
        fail("'{}' cannot be used: {}", path, error_text(errno));
    }
    check_kind(path, st);  // again: it may have been replaced since we looked
    file.block_device = S_ISBLK(st.st_mode);
    file.in_memory = !file.block_device && lives_in_memory(file.fd.get());

    // A file that is memory has no cache to go past.
    file.direct = options.direct && !file.in_memory;
    if (file.direct) {
        file.fd = open_or_fail(path, access | O_DIRECT);
        if (fstat(file.fd.get(), &st) != 0) {
            fail("'{}' cannot be used: {}", path, error_text(errno));
        }
    }
    file.identity = identify_file(file.fd.get(), st);
    if (options.lock) {
        lock_file(path, file.fd.get(), options.writable);
    }
    if (file.block_device) {
        inspect_block_device(path, st.st_rdev, file);
    } else {
        inspect_regular_file(st, file);
    }
    if (file.size == 0) {
        fail("'{}' is empty; give it a size first, for example with 'truncate -s'", path);
    }
    if (file.direct) {
        find_alignment(path, file);
    }
    return file;
}

}  // namespace

OpenedFile open_file(const std::string& path, const OpenOptions& options)
{
    // Each of these calls, stat() included, can hang for good.
    auto file = call_with_deadline<OpenedFile>(
        "file-open", [path, options] { return open_and_inspect(path, options); },
        options.timeout);
    if (!file) {
        fail("'{}' did not answer within {} ms: its file system hangs (a network file system "
             "whose server is gone?)",
             path, options.timeout.count());
    }
    return std::move(*file);
}

}  // namespace resilience
