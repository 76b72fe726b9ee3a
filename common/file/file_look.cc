// SPDX-License-Identifier: BSD-3-Clause
#include "common/file/file_look.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "common/file/file_open.h"

namespace resilience {

namespace {

using Found = FileLook::Found;

/// What stat() failed with.
FileLook not_seen(int error, const std::string& name)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR: return {Found::elsewhere, fmt::format("'{}' was removed", name)};
    // The server may have changed its user since it opened the file.
    case EACCES:
    case EPERM:
    case ENOMEM: break;
    default:
        return {Found::elsewhere, fmt::format("'{}' cannot be reached any more: {}", name,
                                              std::generic_category().message(error))};
    }
    return {Found::unknown, std::generic_category().message(error)};
}

bool is_same(const struct stat& st, const FileIdentity& opened)
{
    return opened.block_device ? S_ISBLK(st.st_mode) && st.st_rdev == opened.device
                               : st.st_dev == opened.device && st.st_ino == opened.inode;
}

/// A disk that was pulled out has 0 bytes for those who still have it open.
std::uint64_t size_now(const struct stat& st, const OpenedFile& file)
{
    std::uint64_t size = 0;
    if (!file.block_device) {
        return static_cast<std::uint64_t>(st.st_size);
    }
    return ioctl(file.fd.get(), BLKGETSIZE64, &size) == 0 ? size : 0;
}

}  // namespace

FileIdentity identify_file(int fd, const struct stat& st)
{
    if (!S_ISBLK(st.st_mode)) {
        return {.device = st.st_dev, .inode = st.st_ino};
    }
    FileIdentity identity{.block_device = true, .device = st.st_rdev};
#ifdef BLKGETDISKSEQ
    ioctl(fd, BLKGETDISKSEQ, &identity.disk);  // Linux 5.15
#else
    (void)fd;
#endif
    return identity;
}

FileLook look_at_file(const std::string& path, const OpenedFile& file, const std::string& name)
{
    struct stat st = {};
    if (stat(path.c_str(), &st) != 0) {
        return not_seen(errno, name);
    }
    if (!is_same(st, file.identity)) {
        return {Found::elsewhere, fmt::format("'{}' is another file now", name)};
    }
    if (const auto size = size_now(st, file); size < file.size) {
        return {Found::shorter,
                fmt::format("'{}' has {} bytes now, it had {}", name, size, file.size)};
    }
    return {};
}

}  // namespace resilience
