// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/nbd_connection.h"

// How a command ends exactly once, whatever happens.
//
// libnbd ends a command in one of four ways: it calls the completion callback
// (reply; death of the connection), then `.free`; or only `.free` (nbd_close
// up to 1.14); or it returns -1 from submission and calls `.free`.  So the
// completion callback only notes the answer, and `.free` alone says that the
// command has ended.
//
// Both are called with the handle locked, on whatever thread made libnbd move:
// the loop's, or one that submits and hits a broken socket.  Nothing may be
// done there.  So each of our calls into libnbd is made under an `Ended` list
// of that thread; `.free` puts the operation there, and after the call has
// returned, and the lock is free, the operation goes on with its next command
// or completes.
//
// A request is never taken back and a connection never closed because an
// answer is late.  A stopped server has our requests in its socket and will
// carry them out when it goes on; if we had meanwhile sent newer ones on
// another connection, the old would overwrite the new.  Only the end of the
// connection itself ends them.

#include <cerrno>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/core/log.h"
#include "common/core/setup_error.h"

namespace resilience {

/// The operations whose command has ended during this thread's calls into
/// libnbd.
class NbdConnection::Ended {
public:
    Ended() : outer_(current) { current = this; }
    Ended(const Ended&) = delete;
    Ended& operator=(const Ended&) = delete;
    ~Ended() { current = outer_; }

    void add(NbdOperation* operation)
    {
        if (operation->listed) {
            return;
        }
        operation->listed = true;
        operation->next = nullptr;
        *tail_ = operation;
        tail_ = &operation->next;
    }

    NbdOperation* take()
    {
        NbdOperation* first = head_;
        if (first) {
            head_ = first->next;
            if (!head_) {
                tail_ = &head_;
            }
            first->listed = false;
        }
        return first;
    }

    static int answered(void* operation, int* error) noexcept
    {
        static_cast<NbdOperation*>(operation)->answer(*error);
        return 1;  // retire the command: nobody will ask libnbd for it
    }

    static void freed(void* pointer) noexcept
    {
        auto* operation = static_cast<NbdOperation*>(pointer);
        if (!operation->answered()) {
            operation->no_answer(ENOTCONN);
        }
        current->add(operation);
    }

    static int extents(void* operation, const char* context, std::uint64_t offset,
                       std::uint32_t* entries, std::size_t count, int*) noexcept
    {
        static_cast<NbdOperation*>(operation)->add_extents(context, offset, {entries, count});
        return 0;
    }

private:
    static thread_local Ended* current;
    Ended* outer_;
    NbdOperation* head_ = nullptr;
    NbdOperation** tail_ = &head_;
};

thread_local NbdConnection::Ended* NbdConnection::Ended::current = nullptr;

namespace {

// A dead host must be noticed, a stopped process must not be: its kernel still
// answers.  Keepalive does that on an idle connection.  On one with unsent data
// keepalive is silent, and TCP_USER_TIMEOUT would count a stopped process's
// closed window as death, so check_peer() asks what the kernel knows.
constexpr int keepalive_idle_s = 5;
constexpr int keepalive_interval_s = 5;
constexpr int keepalive_probes = 3;
constexpr unsigned peer_silence_ms = 15000;
constexpr unsigned peer_unanswered = 3;

bool set_up_tcp(int fd)
{
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == -1 ||
        (address.ss_family != AF_INET && address.ss_family != AF_INET6)) {
        return false;
    }
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_idle_s, sizeof(int));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keepalive_interval_s, sizeof(int));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &keepalive_probes, sizeof(int));
    return true;
}

bool ended(nbd_handle* handle)
{
    return nbd_aio_is_dead(handle) != 0 || nbd_aio_is_closed(handle) != 0;
}

}  // namespace

std::string nbd_error_text()
{
    const char* text = nbd_get_error();
    if (!text) {
        return "unknown error";
    }
    std::string result = text;
    const auto colon = result.find(": ");
    if (result.starts_with("nbd_") && colon != std::string::npos) {
        result.erase(0, colon + 2);
    }
    return result;
}

NbdConnection::NbdConnection(NbdHandle handle, const NbdProperties& properties,
                             std::shared_ptr<EventFd> waker,
                             std::shared_ptr<NbdProgress> progress)
    : handle_(std::move(handle)),
      properties_(properties),
      waker_(std::move(waker)),
      progress_(std::move(progress)),
      // libnbd closes its descriptor the moment the connection breaks, on any
      // thread; its number may then be somebody else's while we poll it.
      fd_(::fcntl(nbd_aio_get_fd(handle_.get()), F_DUPFD_CLOEXEC, 0)),
      tcp_(set_up_tcp(fd_.get()))
{
    if (!fd_) {
        throw SetupError("there are no file descriptors left for the connection");
    }
}

NbdConnection::~NbdConnection()
{
    Ended list;
    handle_.reset();
    while (NbdOperation* operation = list.take()) {
        finish(operation);
    }
}

/// Takes it away.
void NbdConnection::finish(NbdOperation* operation)
{
    const std::unique_ptr<NbdOperation> owner(operation);
    progress_->ended(operation->request(), operation->answered());
    operation->finish();
}

void NbdConnection::issue(NbdOperation* operation, Ended& list)
{
    nbd_handle* const h = handle_.get();
    const NbdCommand& c = operation->command();
    const nbd_completion_callback done{
        .callback = Ended::answered, .user_data = operation, .free = Ended::freed};
    std::uint32_t flags = c.fua ? LIBNBD_CMD_FLAG_FUA : 0;
    std::int64_t cookie = -1;
    switch (c.op) {
    case Op::read:
        cookie = nbd_aio_pread(h, operation->read_buffer(), c.length, c.offset, done, 0);
        break;
    case Op::write:
        cookie = nbd_aio_pwrite(h, operation->write_buffer(), c.length, c.offset, done, flags);
        break;
    case Op::flush:
        cookie = nbd_aio_flush(h, done, 0);
        break;
    case Op::zero:
        flags |= (c.no_hole ? LIBNBD_CMD_FLAG_NO_HOLE : 0) |
                 (c.fast_zero ? LIBNBD_CMD_FLAG_FAST_ZERO : 0);
        cookie = nbd_aio_zero(h, c.length, c.offset, done, flags);
        break;
    case Op::trim:
        cookie = nbd_aio_trim(h, c.length, c.offset, done, flags);
        break;
    case Op::cache:
        cookie = nbd_aio_cache(h, c.length, c.offset, done, 0);
        break;
    case Op::extents: {
        const nbd_extent_callback extents{
            .callback = Ended::extents, .user_data = operation, .free = nullptr};
        cookie = nbd_aio_block_status(h, c.length, c.offset, extents, done,
                                      c.one_extent ? LIBNBD_CMD_FLAG_REQ_ONE : 0);
        break;
    }
    }
    if (cookie == -1) {
        // Refused: it is ours again.  After success it may already be gone.
        const int error = nbd_get_errno();
        operation->no_answer(ended(h) || closing_ ? ENOTCONN : error != 0 ? error : EIO);
        list.add(operation);
    }
}

void NbdConnection::settle(Ended& list)
{
    while (NbdOperation* operation = list.take()) {
        if (operation->go_on(properties_)) {
            issue(operation, list);
        } else {
            finish(operation);
        }
    }
}

void NbdConnection::submit(std::shared_ptr<Request> request, Completion done)
{
    auto operation = std::make_unique<NbdOperation>(std::move(request), std::move(done));
    if (!operation->begin(properties_)) {
        progress_->ended(operation->request(), false);  // nobody was asked
        operation->finish();
        return;
    }
    Ended list;
    issue(operation.release(), list);
    settle(list);
    // The socket took it all: the loop waits for replies anyway.  Else it must
    // wait for room, too, or notice that the connection has just died here.
    if (nbd_aio_get_direction(handle_.get()) != LIBNBD_AIO_DIRECTION_READ) {
        waker_->signal();
    }
}

short NbdConnection::wanted_events() const
{
    const unsigned direction = nbd_aio_get_direction(handle_.get());
    return static_cast<short>((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                              (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
}

void NbdConnection::handle_events(short events)
{
    Ended list;
    // Another thread may have moved the handle since poll() was prepared.
    const unsigned direction = nbd_aio_get_direction(handle_.get());
    const bool broken = (events & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    int result = 0;
    if ((direction & LIBNBD_AIO_DIRECTION_READ) && ((events & POLLIN) || broken)) {
        result = nbd_aio_notify_read(handle_.get());
    } else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) && ((events & POLLOUT) || broken)) {
        result = nbd_aio_notify_write(handle_.get());
    }
    if (result == -1) {
        reason_ = nbd_error_text();
    }
    settle(list);
}

void NbdConnection::declare_lost()
{
    ::shutdown(fd_.get(), SHUT_RDWR);  // our duplicate must not keep it open
    if (lost_) {
        lost_(reason_.empty() ? "the server closed the connection" : reason_);
        lost_ = nullptr;
    }
    const std::lock_guard lock(mutex_);
    is_lost_ = true;
    lost_changed_.notify_all();
}

void NbdConnection::check_peer()
{
    tcp_info info{};
    socklen_t length = sizeof info;
    if (::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
        (info.tcpi_retransmits >= peer_unanswered || info.tcpi_probes >= peer_unanswered) &&
        info.tcpi_last_ack_recv >= peer_silence_ms) {
        reason_ = "the other machine does not answer any more";
        abort();
    }
}

void NbdConnection::abort() noexcept
{
    ::shutdown(fd_.get(), SHUT_RDWR);
    waker_->signal();
}

bool NbdConnection::wait_lost(TimePoint deadline)
{
    std::unique_lock lock(mutex_);
    return lost_changed_.wait_until(lock, deadline, [this] { return is_lost_; });
}

void NbdConnection::close(TimePoint deadline)
{
    const auto now = real_clock().now();
    const auto polite = now + (deadline - now) / 2;
    nbd_handle* const h = handle_.get();
    // nbdkit 1.32 can abort when a client hangs up with replies outstanding.
    while (nbd_aio_in_flight(h) > 0 && real_clock().now() < polite) {
        if (wait_lost(std::min(polite, real_clock().now() + std::chrono::milliseconds(5)))) {
            return;
        }
    }
    if (nbd_aio_in_flight(h) == 0) {
        Ended list;
        closing_ = true;
        nbd_aio_disconnect(h, 0);
        settle(list);
        waker_->signal();
        if (wait_lost(polite)) {
            return;
        }
    }
    abort();
    wait_lost(deadline);
}

}  // namespace resilience
