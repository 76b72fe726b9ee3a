// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

namespace resilience {

struct OpenedFile;

/// What tells a file or block device from all others.  It lasts as long as the
/// machine runs and the file system stays mounted; an inode's number may be given
/// away again when nobody has the file open.
struct FileIdentity {
    bool block_device = false;
    dev_t device = 0;   ///< of the file system, or of the block device itself
    ino_t inode = 0;    ///< 0 for a block device
    /// Block devices: counts all disks of this machine, so that another disk
    /// under the same number is noticed; 0 where the kernel does not tell.
    std::uint64_t disk = 0;

    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// The identity of what `fd` has open and `st` describes.
FileIdentity identify_file(int fd, const struct stat& st);

/// What a path leads to, seen from a file that was opened by it.
struct FileLook {
    enum class Found : std::uint8_t {
        same,       ///< that file, whole
        elsewhere,  ///< nothing, or another file
        shorter,    ///< that file, but its end is gone
        unknown,    ///< we may not look (any more)
    };
    Found found = Found::same;
    std::string text = {};  ///< for people, unless it is the same: "'x.img' was removed"
};

/// Looks what is at `path` (absolute; `name` in texts) now, when `file` was opened
/// by it.  Can hang for good, as every call to a file system that is gone.
FileLook look_at_file(const std::string& path, const OpenedFile& file, const std::string& name);

}  // namespace resilience
