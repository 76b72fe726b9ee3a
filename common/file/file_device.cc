// SPDX-License-Identifier: BSD-3-Clause
#include "common/file/file_device.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <utility>

#include "common/file/file_extents.h"

namespace resilience {

FileDevice::FileDevice(const std::string& path, const OpenOptions& options, std::string name)
    : BlockingDevice("file-io"),
      name_(name.empty() ? path : std::move(name)),
      file_(open_file(path, options)),
      io_(file_),
      zero_(file_, io_)
{
}

Capabilities FileDevice::capabilities() const
{
    return {
        .writable = file_.writable,
        .rotational = file_.rotational,
        .flush = true,
        .fua = true,
        .zero = true,
        .fast_zero = file_.punch,
        .trim = file_.block_device ? file_.discard : file_.punch,
        .extents = file_.seek_data,
        .cache = !file_.direct,
        .multi_conn = true,
        .forgets_unflushed = false,
    };
}

BlockLimits FileDevice::block_limits() const
{
    return {.minimum = file_.offset_alignment, .preferred = 4096, .maximum = 0};
}

/// An errno for what cannot be done at all, else 0.
int FileDevice::refusal(const Request& request) const
{
    if (modifies(request.op) && !file_.writable) {
        return EROFS;
    }
    const bool transfers = request.op != Op::flush && request.op != Op::extents;
    if (transfers && (request.offset | request.length) % file_.offset_alignment != 0) {
        return EINVAL;
    }
    return 0;
}

int FileDevice::execute(Request& request)
{
    if (const int error = refusal(request)) {
        return error;
    }
    switch (request.op) {
    case Op::read: return io_.read(request.offset, request.into);
    case Op::write: return io_.write(request.offset, request.from, request.flags.fua);
    case Op::flush: return io_.sync();
    case Op::zero:
    case Op::trim: return zero_or_trim(request);
    case Op::cache: return prefetch(request);
    case Op::extents:
        if (const int error = io_.check_holds(request.end())) {
            return error;
        }
        return find_extents(file_, request);
    }
    return EINVAL;
}

int FileDevice::zero_or_trim(const Request& request)
{
    const int error = request.op == Op::zero
                          ? zero_.zero(request.offset, request.length, request.flags)
                          : zero_.trim(request.offset, request.length);
    if (error != 0 || !request.flags.fua) {
        return error;
    }
    return io_.sync();
}

int FileDevice::prefetch(const Request& request)
{
    if (file_.direct) {
        return 0;
    }
    return posix_fadvise(file_.fd.get(), static_cast<off_t>(request.offset),
                         static_cast<off_t>(request.length), POSIX_FADV_WILLNEED);
}

bool FileDevice::immediate(Op op) const
{
    if (file_.in_memory) {
        return true;
    }
    return (op == Op::read && io_.can_read_now()) || (op == Op::write && io_.can_write_now()) ||
           (op == Op::flush && !file_.writable);
}

// tmpfs has no disk and no server to wait for, and a hand-off to a thread
// costs several times what the work itself does.
std::optional<int> FileDevice::execute_now(Request& request)
{
    if (!immediate(request.op)) {
        return std::nullopt;
    }
    if (file_.in_memory || request.op == Op::flush) {
        return execute(request);
    }
    if (const int error = refusal(request)) {
        return error;
    }
    if (request.op == Op::read) {
        return io_.read_now(request.offset, request.into);
    }
    if (request.flags.fua) {
        return std::nullopt;
    }
    return io_.write_now(request.offset, request.from);
}

int FileDevice::invalidate_cache()
{
    if (file_.in_memory) {
        return ENOTSUP;
    }
    if (const int error = io_.sync()) {
        return error;
    }
    if (file_.direct) {
        return 0;  // reads ask the medium anyway
    }
    if (const int error = posix_fadvise(file_.fd.get(), 0, 0, POSIX_FADV_DONTNEED)) {
        return error;
    }
    // Needs CAP_SYS_ADMIN; without it the advice above has to do.
    if (file_.block_device && ioctl(file_.fd.get(), BLKFLSBUF, 0) != 0 && errno != EACCES &&
        errno != EPERM && errno != ENOTTY) {
        return errno;
    }
    return 0;
}

}  // namespace resilience
