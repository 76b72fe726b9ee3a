// SPDX-License-Identifier: BSD-3-Clause

// QEMU's convention: byte 100+N is locked by whoever has permission N, byte
// 200+N by whoever does not share permission N with others.  All locks are
// shared ones, so taking them never fails among those who keep to the
// convention; they are notices.  After putting up our own we look whether
// somebody else's contradict: in this order, so that of two who come at the
// same time at least one sees the other.  (Both may: then both fail, and a
// person tries again.)
//
// They are "open file description" locks: unlike POSIX's they survive a fork,
// and do not end when some other descriptor of the same file is closed.

#include "common/file/file_lock.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/device/device.h"

namespace resilience {

namespace {

constexpr off_t taken_base = 100;
constexpr off_t unshared_base = 200;

struct Permission {
    off_t bit;
    const char* doing;  ///< for the message: what the other one does
    bool reader_takes;
    bool writer_takes;
    bool shared;        ///< we let others have it
};

constexpr off_t writing_bit = 1;

constexpr std::array<Permission, 4> permissions = {{
    {0, "reading", true, true, true},
    {writing_bit, "writing", false, true, false},
    {2, "rewriting the same content", false, false, true},
    {3, "resizing", false, false, false},
}};

struct flock one_byte(short type, off_t at)
{
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = at;
    lock.l_len = 1;
    return lock;
}

/// Says that there are no locks here, which is no reason to refuse the file.
bool means_no_locks(int error)
{
    return error == ENOLCK || error == EOPNOTSUPP || error == EINVAL || error == ENOSYS;
}

/// 0 or an errno; EAGAIN if somebody has it exclusively.
int put_up(int fd, off_t at)
{
    struct flock lock = one_byte(F_RDLCK, at);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        return 0;
    }
    return errno == EACCES ? EAGAIN : errno;
}

/// 0, EAGAIN if somebody else has a lock there, or another errno.
int look_at(int fd, off_t at)
{
    struct flock lock = one_byte(F_WRLCK, at);
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0) {
        return errno;
    }
    return lock.l_type == F_UNLCK ? 0 : EAGAIN;
}

[[noreturn]] void fail_in_use(const std::string& path, const char* how)
{
    throw SetupError(fmt::format(
        "'{}' is in use: another process {}; end that process, or give each its own file", path,
        how));
}

/// Returns an errno if there are no locks at all.
int lock_or_throw(const std::string& path, int fd, bool writable)
{
    const auto takes = [writable](const Permission& p) {
        return writable ? p.writer_takes : p.reader_takes;
    };
    const auto check = [&path](int error, const std::string& how) {
        if (error == EAGAIN) {
            fail_in_use(path, how.c_str());
        }
        return error;
    };
    const std::string exclusive = "has locked it for itself";
    for (const auto& p : permissions) {
        if (takes(p)) {
            if (const int e = check(put_up(fd, taken_base + p.bit), exclusive)) {
                return e;
            }
        }
        if (!p.shared) {
            if (const int e = check(put_up(fd, unshared_base + p.bit), exclusive)) {
                return e;
            }
        }
    }
    for (const auto& p : permissions) {
        if (takes(p)) {
            const auto how = fmt::format("has it open and does not allow {} it", p.doing);
            if (const int e = check(look_at(fd, unshared_base + p.bit), how)) {
                return e;
            }
        }
        if (!p.shared) {
            const auto how = fmt::format("has it open for {}", p.doing);
            if (const int e = check(look_at(fd, taken_base + p.bit), how)) {
                return e;
            }
        }
    }
    return 0;
}

}  // namespace

void lock_file(const std::string& path, int fd, bool writable)
{
    const int error = lock_or_throw(path, fd, writable);
    if (error == 0) {
        return;
    }
    const auto text = std::generic_category().message(error);
    if (!means_no_locks(error)) {
        throw SetupError(fmt::format("'{}' cannot be locked: {}", path, text));
    }
    log::debug("'{}' cannot be locked ({}); going on without", path, text);
}

bool has_writer(int fd) { return look_at(fd, taken_base + writing_bit) == EAGAIN; }

}  // namespace resilience
