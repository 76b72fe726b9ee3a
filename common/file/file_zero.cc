// SPDX-License-Identifier: BSD-3-Clause

// Ways to zero, the best first:
//
//   may_trim       PUNCH_HOLE, ZERO_RANGE, write
//   else, file     ZERO_RANGE, PUNCH_HOLE and allocate again, write
//   else, disk     ZERO_RANGE, BLKZEROOUT, write
//
// A kernel zeroes a disk that has no command for it by writing: faster than
// from here, but not what FAST_ZERO asks for, so there only PUNCH_HOLE counts,
// which the kernel refuses if it would have to write.

#include "common/file/file_zero.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace resilience {

namespace {

/// Answers that mean "not for any range of this file".
bool means_never(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY || error == ENODEV ||
           error == ESPIPE;
}

/// Runs `call` unless `works` says it is useless.  ENOTSUP means "try another
/// way": for good, or, after EINVAL (some file systems and drivers are choosy
/// about the range), for this range.
template <typename Call>
int attempt(std::atomic<bool>& works, Call call)
{
    if (!works) {
        return ENOTSUP;
    }
    int error = 0;
    do {
        error = call() == 0 ? 0 : errno;
    } while (error == EINTR);
    if (means_never(error)) {
        works = false;
        return ENOTSUP;
    }
    return error == EINVAL ? ENOTSUP : error;
}

off_t as_off(std::uint64_t value)
{
    return static_cast<off_t>(value);
}

}  // namespace

int FileZero::zero(std::uint64_t offset, std::uint64_t length, const Flags& flags)
{
    if (const int error = io_.check_holds(offset + length)) {
        return error;
    }
    return file_.block_device ? zero_block_device(offset, length, flags)
                              : zero_file(offset, length, flags);
}

int FileZero::zero_range(std::uint64_t offset, std::uint64_t length)
{
    return attempt(zero_range_, [&] {
        return fallocate(file_.fd.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                         as_off(offset), as_off(length));
    });
}

int FileZero::punch_hole(std::uint64_t offset, std::uint64_t length)
{
    return attempt(punch_, [&] {
        return fallocate(file_.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         as_off(offset), as_off(length));
    });
}

// The second allocation is what counts: the range must not stay a hole.  The
// first one changes no content; it is there to learn, once, whether allocating
// works at all, before anything has been changed.
int FileZero::punch_and_allocate(std::uint64_t offset, std::uint64_t length)
{
    const auto allocate = [&] {
        return attempt(allocate_, [&] {
            return fallocate(file_.fd.get(), FALLOC_FL_KEEP_SIZE, as_off(offset),
                             as_off(length));
        });
    };
    if (!punch_) {
        return ENOTSUP;
    }
    if (!allocate_works_) {
        if (const int error = allocate()) {
            return error;
        }
        allocate_works_ = true;
    }
    if (const int error = punch_hole(offset, length)) {
        return error;
    }
    return allocate();
}

int FileZero::zero_file(std::uint64_t offset, std::uint64_t length, const Flags& flags)
{
    int error = ENOTSUP;
    if (flags.may_trim) {
        error = punch_hole(offset, length);
    }
    if (error == ENOTSUP) {
        error = zero_range(offset, length);
    }
    if (error == ENOTSUP && !flags.may_trim) {
        error = punch_and_allocate(offset, length);
    }
    if (error != ENOTSUP || flags.fast_zero) {
        return error;
    }
    return io_.write_zeroes(offset, length);
}

// Disks take only whole blocks; what is left at both ends is written.  The
// middle comes first, so that it can still say ENOTSUP with nothing changed.
int FileZero::zero_block_device(std::uint64_t offset, std::uint64_t length, const Flags& flags)
{
    const std::uint64_t block = file_.logical_block;
    const std::uint64_t end = offset + length;
    const std::uint64_t first = (offset + block - 1) / block * block;
    const std::uint64_t last = end / block * block;
    if (first >= last) {
        return flags.fast_zero ? ENOTSUP : io_.write_zeroes(offset, length);
    }
    int error = ENOTSUP;
    if (flags.may_trim) {
        error = punch_hole(first, last - first);
    }
    if (error == ENOTSUP && flags.fast_zero) {
        return error;
    }
    if (error == ENOTSUP) {
        error = zero_range(first, last - first);
    }
    if (error == ENOTSUP) {
        error = attempt(zero_out_, [&] {
            std::uint64_t range[2] = {first, last - first};
            return ioctl(file_.fd.get(), BLKZEROOUT, range);
        });
    }
    if (error == ENOTSUP) {
        error = io_.write_zeroes(first, last - first);
    }
    if (error == 0 && offset < first) {
        error = io_.write_zeroes(offset, first - offset);
    }
    if (error == 0 && last < end) {
        error = io_.write_zeroes(last, end - last);
    }
    return error;
}

int FileZero::trim(std::uint64_t offset, std::uint64_t length)
{
    if (const int error = io_.check_holds(offset + length)) {
        return error;
    }
    int error = 0;
    if (file_.block_device) {
        const std::uint64_t block = file_.logical_block;
        const std::uint64_t first = (offset + block - 1) / block * block;
        const std::uint64_t last = (offset + length) / block * block;
        if (first >= last || !file_.discard) {
            return 0;
        }
        error = attempt(discard_, [&] {
            std::uint64_t range[2] = {first, last - first};
            return ioctl(file_.fd.get(), BLKDISCARD, range);
        });
    } else {
        error = punch_hole(offset, length);
    }
    return error == ENOTSUP ? 0 : error;  // a trim is advice
}

}  // namespace resilience
