// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/control_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "common/core/log.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

/// Messages that may wait for the command thread before we stop reading; the
/// rest waits in the socket, and then in the client.
constexpr std::size_t max_waiting = 64;
constexpr std::size_t read_bytes = 16 * 1024;

}  // namespace

ControlClient::ControlClient(UniqueFd fd, const CommandTable& table, std::size_t message_bytes,
                             std::size_t queue_bytes, std::function<void()> wake)
    : fd_(std::move(fd)), stream_(message_bytes), session_(table), queue_bytes_(queue_bytes),
      wake_(std::move(wake))
{
    queue_line(qmp_greeting());
}

ControlClient::~ControlClient()
{
    // Left behind by the server (see ControlServer::stop), and then this may
    // be the thread itself, which cannot join itself.
    if (thread_.joinable()) {
        thread_.detach();
    }
}

short ControlClient::wanted() const
{
    std::lock_guard lock(mutex_);
    short events = 0;
    if (!input_ended_ && inbox_.size() < max_waiting) {
        events |= POLLIN;
    }
    if (!outbox_.empty()) {
        events |= POLLOUT;
    }
    return events;
}

void ControlClient::read_some()
{
    std::array<char, read_bytes> buffer;
    const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    std::vector<StreamItem> items;
    if (n > 0) {
        stream_.feed({buffer.data(), static_cast<std::size_t>(n)}, items);
    } else {
        stream_.finish(items);
    }

    std::lock_guard lock(mutex_);
    hung_up_ = hung_up_ || n < 0;
    input_ended_ = input_ended_ || n <= 0;
    for (StreamItem& item : items) {
        input_ended_ = input_ended_ || item.problem == StreamProblem::too_long;
        inbox_.push_back(std::move(item));
    }
    if (!inbox_.empty() && !ensure_thread()) {
        queue_line(qmp_error("The server cannot start a thread for this client"));
        input_ended_ = true;
        inbox_.clear();
    }
    changed_.notify_all();
}

void ControlClient::write_some()
{
    std::lock_guard lock(mutex_);
    while (!outbox_.empty()) {
        const ssize_t n = ::send(fd_.get(), outbox_.data(), outbox_.size(), MSG_NOSIGNAL);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n == -1) {
            hung_up_ = hung_up_ || errno != EAGAIN;
            break;
        }
        outbox_.erase(0, static_cast<std::size_t>(n));
    }
    changed_.notify_all();
}

void ControlClient::post(const std::string& line)
{
    std::lock_guard lock(mutex_);
    if (!subscribed_ || hung_up_) {
        return;
    }
    if (outbox_.size() + line.size() > queue_bytes_) {
        log::error("control: a client has not read {} bytes of replies and events; "
                   "its connection is closed", outbox_.size());
        hung_up_ = true;
    } else {
        queue_line(line);
    }
}

bool ControlClient::over() const
{
    std::lock_guard lock(mutex_);
    return hung_up_ || (input_ended_ && inbox_.empty() && !busy_ && outbox_.empty());
}

void ControlClient::close()
{
    std::lock_guard lock(mutex_);
    hung_up_ = true;
    inbox_.clear();
    outbox_ = std::string();
    fd_ = UniqueFd();
    changed_.notify_all();
}

void ControlClient::take_no_more()
{
    std::lock_guard lock(mutex_);
    input_ended_ = true;
    inbox_.clear();
    changed_.notify_all();
}

bool ControlClient::busy() const
{
    std::lock_guard lock(mutex_);
    return busy_;
}

bool ControlClient::reap()
{
    {
        std::lock_guard lock(mutex_);
        if (!finished_) {
            return false;
        }
    }
    if (thread_.joinable()) {
        thread_.join();
    }
    return true;
}

/// Starts the command thread at the client's first message.  mutex_ is held.
bool ControlClient::ensure_thread()
{
    if (thread_.joinable()) {
        return true;
    }
    try {
        finished_ = false;
        thread_ = start_thread("control-command", [self = shared_from_this()] { run(self); });
    } catch (const std::system_error&) {
        finished_ = true;
    }
    return !finished_;
}

void ControlClient::run(const std::shared_ptr<ControlClient>& self)
{
    self->work();
    self->wake_();
}

void ControlClient::work()
{
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] {
            return hung_up_ || (inbox_.empty() ? input_ended_ : may_work());
        });
        if (hung_up_ || inbox_.empty()) {
            break;
        }
        const StreamItem item = std::move(inbox_.front());
        inbox_.pop_front();
        busy_ = true;
        lock.unlock();
        const std::string reply = session_.answer(item);
        lock.lock();
        busy_ = false;
        // In one step: no event of before, every event of after.
        subscribed_ = session_.negotiated();
        if (!hung_up_) {
            queue_line(reply);
        }
        wake_();
    }
    finished_ = true;
}

/// A client that does not read its replies gets no further commands done.
bool ControlClient::may_work() const
{
    return outbox_.size() < queue_bytes_;
}

void ControlClient::queue_line(const std::string& line)
{
    outbox_ += line;
    outbox_ += "\r\n";
}

}  // namespace resilience
