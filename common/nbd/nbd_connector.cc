// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/nbd_connector.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include <fcntl.h>
#include <poll.h>

#include <fmt/format.h>

#include "common/core/setup_error.h"

namespace resilience {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds server_exit_wait{300};

/// Milliseconds until `deadline` for poll(), at least 1 until it has come.
int poll_limit(TimePoint deadline)
{
    const auto left = std::chrono::ceil<milliseconds>(deadline - real_clock().now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000000));
}

/// How long to wait, and how that is told.
struct Patience {
    TimePoint deadline;
    int cancel_fd = -1;   ///< ends the wait when it can be read; -1: nothing does
    std::string silence;  ///< what is said when the deadline has come
};

/// Lets libnbd work until `ready()`.  Returns why that did not come to pass,
/// or an empty text.
template <typename Ready>
std::string drive(nbd_handle* h, const Patience& patience, Ready ready)
{
    while (!ready()) {
        if (nbd_aio_is_dead(h) != 0 || nbd_aio_is_closed(h) != 0) {
            return "the server closed the connection during the handshake";
        }
        const unsigned direction = nbd_aio_get_direction(h);
        const bool reads = (direction & LIBNBD_AIO_DIRECTION_READ) != 0;
        const bool writes = (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0;
        pollfd fds[2] = {
            {.fd = nbd_aio_get_fd(h),
             .events = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)),
             .revents = 0},
            {.fd = patience.cancel_fd, .events = POLLIN, .revents = 0},
        };
        const int limit = poll_limit(patience.deadline);
        const int count = limit == 0 ? 0 : ::poll(fds, 2, limit);
        if (count == 0) {
            return patience.silence;
        }
        if (fds[1].revents != 0) {
            return "given up, because the device is stopped";
        }
        const bool broken = (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        int result = 0;
        if (reads && ((fds[0].revents & POLLIN) || broken)) {
            result = nbd_aio_notify_read(h);
        } else if (writes && ((fds[0].revents & POLLOUT) || broken)) {
            result = nbd_aio_notify_write(h);
        }
        if (result == -1) {
            return nbd_error_text();
        }
    }
    return {};
}

std::string begin_connecting(nbd_handle* h, const NbdTarget& target, NbdAttempt& attempt)
{
    if (!target.command) {
        return nbd_aio_connect_uri(h, target.address.c_str()) == -1 ? nbd_error_text() : "";
    }
    auto started = ServerProcess::start(target.address, target.directory);
    attempt.server = std::move(started.process);
    const int fd = ::fcntl(started.socket.get(), F_DUPFD_CLOEXEC, 0);  // libnbd's to close
    if (fd == -1) {
        return std::strerror(errno);
    }
    return nbd_aio_connect_socket(h, fd) == -1 ? nbd_error_text() : "";
}

/// libnbd's flags are 1, 0 or -1 for an error, which cannot be after a
/// handshake.
bool is(int flag)
{
    return flag == 1;
}

std::uint32_t block_size(nbd_handle* h, int type)
{
    const std::int64_t size = nbd_get_block_size(h, type);
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(size, 0, std::numeric_limits<std::uint32_t>::max()));
}

std::string read_properties(nbd_handle* h, NbdProperties& p)
{
    const std::int64_t size = nbd_get_size(h);
    if (size < 0) {
        return fmt::format("the server's answer has no usable size: {}", nbd_error_text());
    }
    p.size = static_cast<std::uint64_t>(size);
    p.blocks = {.minimum = std::max(block_size(h, LIBNBD_SIZE_MINIMUM), 1U),
                .preferred = block_size(h, LIBNBD_SIZE_PREFERRED),
                .maximum = block_size(h, LIBNBD_SIZE_MAXIMUM)};
    p.writable = !is(nbd_is_read_only(h));
    p.rotational = is(nbd_is_rotational(h));
    p.flush = is(nbd_can_flush(h));
    p.fua = is(nbd_can_fua(h));
    p.zero = is(nbd_can_zero(h));
    p.fast_zero = p.zero && is(nbd_can_fast_zero(h));
    p.trim = is(nbd_can_trim(h));
    p.extents = is(nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION));
    p.cache = is(nbd_can_cache(h));
    p.allocation_depth = is(nbd_can_meta_context(h, std::string(depth_context).c_str()));
    return {};
}

std::string attempt_connection(const NbdTarget& target, bool depth, const Patience& patience,
                               NbdAttempt& attempt)
{
    nbd_handle* const h = nbd_create();
    attempt.handle.reset(h);
    // The URI is the administrator's, not a stranger's: it may name key files.
    // The buffer of a read is overwritten anyway, or not used.
    if (!h || nbd_set_uri_allow_local_file(h, true) == -1 ||
        nbd_set_pread_initialize(h, false) == -1 ||
        nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) == -1 ||
        (depth && nbd_add_meta_context(h, std::string(depth_context).c_str()) == -1)) {
        return nbd_error_text();
    }
    std::string error = begin_connecting(h, target, attempt);
    if (error.empty()) {
        error = drive(h, patience, [h] { return nbd_aio_is_ready(h) == 1; });
    }
    if (error.empty()) {
        error = read_properties(h, attempt.properties);
    }
    return error;
}

}  // namespace

NbdAttempt connect_nbd(const NbdTarget& target, bool allocation_depth, TimePoint deadline,
                       int cancel_fd)
{
    NbdAttempt attempt;
    const auto seconds = std::chrono::duration<double>(deadline - real_clock().now()).count();
    const Patience patience{deadline, cancel_fd,
                            fmt::format("did not answer within {:.3g} s", seconds)};
    try {
        attempt.error = attempt_connection(target, allocation_depth, patience, attempt);
    } catch (const SetupError& error) {
        attempt.error = error.what();
    }
    if (attempt.error.empty()) {
        return attempt;
    }
    if (attempt.server.pid() != 0) {
        // A server that has just ended says more than our broken connection.
        attempt.server.wait_exit(std::min(deadline, real_clock().now() + server_exit_wait));
        if (const auto how = attempt.server.exit_text(); !how.empty()) {
            attempt.error = fmt::format("it {} before it answered", how);
        }
    }
    attempt.handle.reset();
    attempt.server = ServerProcess();
    return attempt;
}

bool read_nbd(nbd_handle* handle, std::vector<EarlyRead>& reads, TimePoint deadline)
{
    std::vector<std::int64_t> cookies;
    for (const EarlyRead& read : reads) {
        cookies.push_back(nbd_aio_pread(handle, read.content.memory.get(), read.content.size,
                                        read.offset, NBD_NULL_COMPLETION, 0));
    }
    const Patience patience{deadline, -1, "no answer in time"};
    if (!drive(handle, patience, [&] { return nbd_aio_in_flight(handle) == 0; }).empty()) {
        return false;
    }
    for (std::size_t i = 0; i < reads.size(); i++) {
        const bool done =
            cookies[i] > 0 &&
            nbd_aio_command_completed(handle, static_cast<std::uint64_t>(cookies[i])) == 1;
        reads[i].error = done ? 0 : EIO;
    }
    return true;
}

void disconnect_nbd(NbdHandle handle, TimePoint deadline)
{
    nbd_handle* const h = handle.get();
    if (h && nbd_aio_disconnect(h, 0) == 0) {
        drive(h, {deadline, -1, {}}, [h] { return nbd_aio_is_closed(h) != 0; });
    }
}

bool is_connected_nbd(nbd_handle* handle)
{
    // There may be something to read although nothing was asked: TLS has messages
    // of its own.
    pollfd fd = {.fd = nbd_aio_get_fd(handle), .events = POLLIN, .revents = 0};
    if (::poll(&fd, 1, 0) > 0 && nbd_aio_notify_read(handle) == -1) {
        return false;
    }
    return nbd_aio_is_ready(handle) == 1;
}

std::string incompatibility(const NbdProperties& before, const NbdProperties& now)
{
    if (before.size != now.size) {
        return fmt::format("its size is now {} bytes, it was {} bytes", now.size, before.size);
    }
    if (before.writable && !now.writable) {
        return "it is now read-only, it was writable";
    }
    if (before.flush && !now.flush) {
        return "it cannot flush any more, so nothing could be made durable on it";
    }
    if (now.blocks.minimum > before.blocks.minimum) {
        return fmt::format("its minimum block size is now {} bytes, it was {} bytes",
                           now.blocks.minimum, before.blocks.minimum);
    }
    return {};
}

}  // namespace resilience
