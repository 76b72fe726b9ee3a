// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/control_server.h"

// How the control server works.
//
// One thread does all input and output, with poll.  It never waits for a
// client, and never carries out a command: a command may wait for a drain of
// tens of seconds, while other clients have theirs and events go out.  So each
// client has a thread for its commands, made at its first one; they run in
// the order in which they came.  An eventfd wakes the I/O thread when there is
// something to send, and when the time of a throttled event has changed.
//
// What clients may do wrong, and what becomes of it:
//
//   says garbage             an error reply; it may go on at the next line
//   says it without end      an error reply, and the connection is closed
//   asks much, reads nothing its commands wait, then we stop reading
//   reads no events          it is given up when its queue is full
//   connects too often       an error line, and the connection is closed
//   goes away                a command that runs is finished, no other begun
//
// Locks, in the order in which they may be taken: the bus's, clients_mutex_,
// a client's.  No handler is called with any of them held.

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "common/control/control_client.h"
#include "common/control/control_socket.h"
#include "common/control/event.h"
#include "common/control/json.h"
#include "common/core/log.h"
#include "common/device/device.h"
#include "common/thread/event_fd.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

using Clock = std::chrono::steady_clock;

/// How long a descriptor shortage, which others cause, keeps us from accept().
constexpr auto accept_pause = std::chrono::milliseconds(100);

}  // namespace

class ControlServer::Implementation {
public:
    Implementation(std::string path, CommandTable& table, EventBus& bus, ControlLimits limits)
        : table_(table), bus_(bus), limits_(limits), wakeup_(std::make_shared<EventFd>()),
          socket_(std::move(path))
    {
    }
    ~Implementation() { stop(std::chrono::seconds(5)); }

    void start();
    bool stop(std::chrono::milliseconds limit);
    const std::string& path() const { return socket_.path(); }

private:
    using ClientPtr = std::shared_ptr<ControlClient>;

    void run();
    void poll_once(int timeout_ms);
    int poll_timeout() const;
    void accept_one();
    void serve(ControlClient& client, short happened);
    void retire_clients();
    void publish(const Event& event);
    bool commands_run() const;
    bool reap_retired();
    void end_clients();

    CommandTable& table_;
    EventBus& bus_;
    const ControlLimits limits_;
    const std::shared_ptr<EventFd> wakeup_;  ///< shared: a thread left behind may use it
    ControlSocket socket_;

    std::thread thread_;
    int listener_ = 0;
    std::atomic<bool> stopping_{false};
    std::atomic<Clock::time_point> stop_deadline_{Clock::time_point{}};
    Clock::time_point accept_after_{};  ///< the I/O thread's

    mutable std::mutex clients_mutex_;
    std::vector<ClientPtr> clients_;  ///< connected
    std::vector<ClientPtr> retired_;  ///< gone, but a command may still run
};

ControlServer::ControlServer(std::string path, CommandTable& table, EventBus& bus,
                             ControlLimits limits)
    : implementation_(std::make_unique<Implementation>(std::move(path), table, bus, limits))
{
}

ControlServer::~ControlServer() = default;

void ControlServer::start()
{
    implementation_->start();
}

bool ControlServer::stop(std::chrono::milliseconds limit)
{
    return implementation_->stop(limit);
}

const std::string& ControlServer::path() const
{
    return implementation_->path();
}

void ControlServer::Implementation::start()
{
    try {
        thread_ = start_thread("control", [this] { run(); });
    } catch (const std::system_error& error) {
        throw SetupError(fmt::format("control: cannot start a thread: {}", error.what()));
    }
    listener_ = bus_.add_listener([this](const Event& event) { publish(event); },
                                  [wakeup = wakeup_] { wakeup->signal(); });
}

bool ControlServer::Implementation::stop(std::chrono::milliseconds limit)
{
    const auto deadline = Clock::now() + limit;
    if (thread_.joinable()) {
        stop_deadline_ = deadline;
        stopping_ = true;
        wakeup_->signal();
        thread_.join();
        bus_.remove_listener(listener_);
    }
    socket_.remove();
    // What is left now are threads about to return, and commands that hang.
    const auto grace = std::max(deadline, Clock::now() + std::chrono::milliseconds(100));
    while (!reap_retired()) {
        if (Clock::now() >= grace) {
            log::warning("control: a command is still running; its thread is left behind");
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

void ControlServer::Implementation::run()
{
    while (!stopping_) {
        bus_.run_due(Clock::now());
        poll_once(poll_timeout());
        retire_clients();
    }
    // No new client finds us from here on; one that is being served may still
    // get the reply to its command.
    socket_.remove();
    {
        std::lock_guard lock(clients_mutex_);
        for (const ClientPtr& client : clients_) {
            client->take_no_more();
        }
    }
    while (commands_run() && Clock::now() < stop_deadline_.load()) {
        poll_once(10);
        retire_clients();
    }
    end_clients();
}

/// Milliseconds until the next throttled event is due, at most a minute.
int ControlServer::Implementation::poll_timeout() const
{
    using std::chrono::milliseconds;
    auto wait = milliseconds(60000);
    if (auto deadline = bus_.next_deadline()) {
        const auto left = std::chrono::ceil<milliseconds>(*deadline - Clock::now());
        wait = std::clamp(left, milliseconds(0), wait);
    }
    if (Clock::now() < accept_after_) {
        wait = std::min(wait, accept_pause);
    }
    return static_cast<int>(wait.count());
}

void ControlServer::Implementation::poll_once(int timeout_ms)
{
    const bool accepting = !stopping_ && Clock::now() >= accept_after_;
    std::vector<ClientPtr> clients;
    {
        std::lock_guard lock(clients_mutex_);
        clients = clients_;
    }
    std::vector<pollfd> fds;
    fds.push_back({wakeup_->get(), POLLIN, 0});
    fds.push_back({accepting ? socket_.fd() : -1, POLLIN, 0});
    for (const ClientPtr& client : clients) {
        fds.push_back({client->fd(), client->wanted(), 0});
    }
    if (::poll(fds.data(), fds.size(), timeout_ms) <= 0) {
        return;
    }
    if (fds[0].revents != 0) {
        wakeup_->clear();
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        serve(*clients[i], fds[i + 2].revents);
    }
    if (fds[1].revents != 0) {
        accept_one();
    }
}

void ControlServer::Implementation::serve(ControlClient& client, short happened)
{
    if ((happened & POLLIN) != 0) {
        client.read_some();
    }
    if ((happened & POLLOUT) != 0) {
        client.write_some();
    }
    if ((happened & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
        client.close();
    }
}

void ControlServer::Implementation::accept_one()
{
    UniqueFd fd(::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            accept_after_ = Clock::now() + accept_pause;  // poll would spin
        }
        return;
    }
    std::lock_guard lock(clients_mutex_);
    // Commands of clients that went away have threads too.
    if (clients_.size() >= limits_.clients || retired_.size() >= limits_.clients) {
        const std::string line = qmp_error(fmt::format(
            "Too many clients: {} may be connected at a time", limits_.clients)) + "\r\n";
        (void)::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL);
        return;
    }
    clients_.push_back(std::make_shared<ControlClient>(
        std::move(fd), table_, limits_.message_bytes, limits_.queue_bytes,
        [wakeup = wakeup_] { wakeup->signal(); }));
}

/// Closes connections that are over, and joins command threads that ended.
void ControlServer::Implementation::retire_clients()
{
    {
        std::lock_guard lock(clients_mutex_);
        for (const ClientPtr& client : clients_) {
            if (client->over()) {
                client->close();
                retired_.push_back(client);
            }
        }
        std::erase_if(clients_, [](const ClientPtr& client) { return client->fd() < 0; });
    }
    reap_retired();
}

/// Returns whether no thread is left.
bool ControlServer::Implementation::reap_retired()
{
    std::lock_guard lock(clients_mutex_);
    std::erase_if(retired_, [](const ClientPtr& client) { return client->reap(); });
    return retired_.empty();
}

void ControlServer::Implementation::publish(const Event& event)
{
    const std::string line = to_line(event.to_json());
    std::lock_guard lock(clients_mutex_);
    for (const ClientPtr& client : clients_) {
        client->post(line);
    }
    wakeup_->signal();
}

bool ControlServer::Implementation::commands_run() const
{
    std::lock_guard lock(clients_mutex_);
    return std::any_of(clients_.begin(), clients_.end(),
                       [](const ClientPtr& client) { return client->busy(); });
}

void ControlServer::Implementation::end_clients()
{
    std::lock_guard lock(clients_mutex_);
    for (const ClientPtr& client : clients_) {
        client->write_some();
        client->close();
        retired_.push_back(client);
    }
    clients_.clear();
}

}  // namespace resilience
