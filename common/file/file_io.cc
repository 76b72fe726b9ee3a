// SPDX-License-Identifier: BSD-3-Clause
#include "common/file/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/device/buffer_pool.h"

namespace resilience {

namespace {

/// Direct I/O from and to unaligned memory goes through pieces of this size.
constexpr std::size_t bounce_size = 1024 * 1024;

/// Not const, so that it takes no room in the file we are loaded from; nobody
/// writes it.
alignas(4096) std::byte zeroes[256 * 1024];

int read_fully(int fd, std::uint64_t offset, std::span<std::byte> into)
{
    while (!into.empty()) {
        const ssize_t n = pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno;
        }
        if (n == 0) {
            return EIO;  // the file was longer when it was opened
        }
        offset += static_cast<std::uint64_t>(n);
        into = into.subspan(static_cast<std::size_t>(n));
    }
    return 0;
}

int write_fully(int fd, std::uint64_t offset, std::span<const std::byte> from, int flags)
{
    while (!from.empty()) {
        iovec part = {const_cast<std::byte*>(from.data()), from.size()};
        const ssize_t n =
            flags == 0 ? pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset))
                       : pwritev2(fd, &part, 1, static_cast<off_t>(offset), flags);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno;
        }
        if (n == 0) {
            return EIO;  // not progress, and not an error either: do not spin
        }
        offset += static_cast<std::uint64_t>(n);
        from = from.subspan(static_cast<std::size_t>(n));
    }
    return 0;
}

bool aligned(const void* memory, std::uint32_t alignment)
{
    return reinterpret_cast<std::uintptr_t>(memory) % alignment == 0;
}

}  // namespace

int FileIo::read(std::uint64_t offset, std::span<std::byte> into)
{
    const int fd = file_.fd.get();
    if (!file_.direct || aligned(into.data(), file_.memory_alignment)) {
        return read_fully(fd, offset, into);
    }
    const Buffer bounce = take_buffer(std::min(into.size(), bounce_size));
    while (!into.empty()) {
        const auto part = bounce.span().first(std::min(into.size(), bounce.size));
        if (const int error = read_fully(fd, offset, part)) {
            return error;
        }
        std::memcpy(into.data(), part.data(), part.size());
        offset += part.size();
        into = into.subspan(part.size());
    }
    return 0;
}

int FileIo::write(std::uint64_t offset, std::span<const std::byte> from, bool fua)
{
    if (const int error = check_holds(offset + from.size())) {
        return error;
    }
    if (!file_.direct || aligned(from.data(), file_.memory_alignment)) {
        return write_aligned(offset, from, fua);
    }
    const Buffer bounce = take_buffer(std::min(from.size(), bounce_size));
    while (!from.empty()) {
        const auto part = bounce.span().first(std::min(from.size(), bounce.size));
        std::memcpy(part.data(), from.data(), part.size());
        if (const int error = write_aligned(offset, part, fua)) {
            return error;
        }
        offset += part.size();
        from = from.subspan(part.size());
    }
    return 0;
}

int FileIo::write_aligned(std::uint64_t offset, std::span<const std::byte> from, bool fua)
{
    if (fua && !file_.in_memory) {
        return write_durable(offset, from);
    }
    return write_fully(file_.fd.get(), offset, from, 0);
}

// A write with RWF_DSYNC that fails does not say which half failed.  If the
// second, the sync, did, then data may be lost, and that this was reported is
// the last we hear of it; the ledger must know.  If the first did (no space,
// say), nothing is lost, and the file is as good as before.  Writing again,
// without the sync, tells.
int FileIo::write_durable(std::uint64_t offset, std::span<const std::byte> from)
{
    const int fd = file_.fd.get();
    int write_error = 0;
    const int sync_error = ledger_.run([&] {
        if (dsync_) {
            const int error = write_fully(fd, offset, from, RWF_DSYNC);
            if (error == 0) {
                return 0;
            }
            if (error == EOPNOTSUPP || error == ENOSYS) {
                dsync_ = false;
            }
            write_error = write_fully(fd, offset, from, 0);
            if (write_error != 0) {
                return write_error == EIO ? EIO : 0;
            }
            if (dsync_) {
                return error;
            }
        } else {
            write_error = write_fully(fd, offset, from, 0);
            if (write_error != 0) {
                return 0;
            }
        }
        return fdatasync(fd) == 0 ? 0 : errno;
    });
    return write_error != 0 ? write_error : sync_error;
}

int FileIo::write_zeroes(std::uint64_t offset, std::uint64_t length)
{
    while (length > 0) {
        const auto part = std::min<std::uint64_t>(length, sizeof zeroes);
        if (const int error = write_fully(file_.fd.get(), offset, {zeroes, part}, 0)) {
            return error;
        }
        offset += part;
        length -= part;
    }
    return 0;
}

int FileIo::sync()
{
    if (file_.in_memory || !file_.writable) {
        return 0;
    }
    return ledger_.run([this] { return fdatasync(file_.fd.get()) == 0 ? 0 : errno; });
}

std::optional<int> FileIo::read_now(std::uint64_t offset, std::span<std::byte> into)
{
    const iovec part = {into.data(), into.size()};
    const ssize_t n =
        preadv2(file_.fd.get(), &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (n == static_cast<ssize_t>(into.size())) {
        return 0;
    }
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        nowait_read_ = false;
    }
    return std::nullopt;
}

std::optional<int> FileIo::write_now(std::uint64_t offset, std::span<const std::byte> from)
{
    if (check_holds(offset + from.size()) != 0) {
        return EIO;
    }
    const iovec part = {const_cast<std::byte*>(from.data()), from.size()};
    const ssize_t n =
        pwritev2(file_.fd.get(), &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (n == static_cast<ssize_t>(from.size())) {
        return 0;
    }
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        nowait_write_ = false;
    }
    return std::nullopt;
}

int FileIo::check_holds(std::uint64_t end) const
{
    if (file_.block_device) {
        return 0;
    }
    struct statx stx = {};
    // What this machine knows of the size will do; no need to ask a server.
    if (statx(file_.fd.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &stx) != 0) {
        return errno;
    }
    return stx.stx_size < end ? EIO : 0;
}

}  // namespace resilience
