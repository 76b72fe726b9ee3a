// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/qmp_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "common/control/json.h"

namespace resilience {

using Kind = QmpError::Kind;

namespace {

/// More than any reply has; a server that is none of ours may say anything.
constexpr std::size_t max_line = 64 * 1024 * 1024;
constexpr int max_depth = 200;
/// Events kept while a reply is awaited; the oldest are forgotten.
constexpr std::size_t max_events = 10000;

/// One line as JSON; nullopt if it is none, or nested absurdly deep (JSON
/// values are printed recursively).
std::optional<Json> parse_line(const std::string& line)
{
    bool too_deep = false;
    const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > max_depth;
        return !too_deep;
    };
    Json value = Json::parse(line, watch_depth, /*allow_exceptions=*/false);
    if (too_deep || value.is_discarded()) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

QmpClient::QmpClient(const std::string& path, Clock::time_point deadline) : path_(path)
{
    connect(deadline);
    const std::optional<Json> greeting = next_message(deadline, -1);
    if (!greeting) {
        fail(Kind::timeout, "does not greet: is the server frozen?");
    }
    if (greeting->contains("error")) {  // too many clients
        fail(Kind::connection, (*greeting)["error"].value("desc", "refuses the connection"));
    }
    if (!greeting->contains("QMP")) {
        fail(Kind::connection, "is not a control socket");
    }
    execute("qmp_capabilities", Json::object(), deadline);
}

void QmpClient::connect(Clock::time_point deadline)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) {
        fail(Kind::usage, fmt::format("the path of a socket has at most {} bytes",
                                      sizeof address.sun_path - 1));
    }
    path_.copy(address.sun_path, path_.size());
    fd_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    while (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == -1) {
        if (errno == ECONNREFUSED) {
            fail(Kind::connection, "Connection refused: its server is not running any more");
        }
        if (errno != EAGAIN && errno != EINTR) {
            fail(Kind::connection, std::strerror(errno));
        }
        // Many wait to be accepted already.
        if (Clock::now() >= deadline) {
            fail(Kind::timeout, "does not accept connections: is the server frozen?");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

Json QmpClient::execute(const std::string& name, const Json& arguments,
                        Clock::time_point deadline)
{
    Json request = {{"execute", name}};
    if (!arguments.empty()) {
        request["arguments"] = arguments;
    }
    const std::int64_t id = ++last_id_;
    request["id"] = id;
    send_all(to_line(request) + "\r\n", deadline);
    while (auto message = next_message(deadline, -1)) {
        if (message->contains("event")) {
            events_.push_back(std::move(*message));
            if (events_.size() > max_events) {
                events_.pop_front();
            }
        } else if (message->contains("error") && message->value("id", id) == id) {
            const Json& error = (*message)["error"];
            throw QmpError(Kind::refused, error.value("desc", to_line(error)),
                           error.value("class", std::string()));
        } else if (message->contains("return") && message->value("id", Json()) == Json(id)) {
            return (*message)["return"];
        }
    }
    throw QmpError(Kind::timeout, fmt::format("{}: no reply in time; the command may still be "
                                               "carried out", name));
}

std::optional<Json> QmpClient::next_event(Clock::time_point deadline, int stop_fd)
{
    if (!events_.empty()) {
        Json event = std::move(events_.front());
        events_.pop_front();
        return event;
    }
    while (auto message = next_message(deadline, stop_fd)) {
        if (message->contains("event")) {
            return message;
        }
    }
    return std::nullopt;
}

/// The next message (an object); nullopt when the time is over.
std::optional<Json> QmpClient::next_message(Clock::time_point deadline, int stop_fd)
{
    while (true) {
        if (auto message = buffered_message()) {
            return message;
        }
        if (!wait(POLLIN, deadline, stop_fd)) {
            return std::nullopt;
        }
        std::array<char, 65536> bytes;
        const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
        if (n > 0) {
            buffer_.append(bytes.data(), static_cast<std::size_t>(n));
        } else if (n == 0) {
            fail(Kind::connection, "the server has closed the connection");
        } else if (errno != EAGAIN && errno != EINTR) {
            fail(Kind::connection, std::strerror(errno));
        }
    }
}

std::optional<Json> QmpClient::buffered_message()
{
    const std::size_t end = buffer_.find('\n', searched_);
    if (end == std::string::npos) {
        searched_ = buffer_.size();
        if (buffer_.size() > max_line) {
            fail(Kind::connection, "sends a line without an end; is it a control socket?");
        }
        return std::nullopt;
    }
    std::optional<Json> message = parse_line(buffer_.substr(0, end));
    buffer_.erase(0, end + 1);
    searched_ = 0;
    if (!message || !message->is_object()) {
        fail(Kind::connection, "sends what is not QMP; is it a control socket?");
    }
    return message;
}

/// Whether fd_ got ready before the deadline.
bool QmpClient::wait(short events, Clock::time_point deadline, int stop_fd)
{
    using std::chrono::milliseconds;
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        if (left <= milliseconds(0)) {
            return false;
        }
        const auto slice = std::min(left, milliseconds(60000));
        std::array<pollfd, 2> fds = {pollfd{fd_.get(), events, 0}, pollfd{stop_fd, POLLIN, 0}};
        if (::poll(fds.data(), fds.size(), static_cast<int>(slice.count())) > 0) {
            return fds[1].revents == 0;
        }
    }
}

void QmpClient::send_all(const std::string& text, Clock::time_point deadline)
{
    std::size_t sent = 0;
    while (sent < text.size()) {
        if (!wait(POLLOUT, deadline, -1)) {
            fail(Kind::timeout, "does not read what is sent to it: is the server frozen?");
        }
        const ssize_t n = ::send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += static_cast<std::size_t>(n);
        } else if (errno == EPIPE || errno == ECONNRESET) {
            fail(Kind::connection, "the server has closed the connection");
        } else if (errno != EAGAIN && errno != EINTR) {
            fail(Kind::connection, std::strerror(errno));
        }
    }
}

void QmpClient::fail(Kind kind, const std::string& what) const
{
    throw QmpError(kind, fmt::format("socket '{}': {}", path_, what));
}

}  // namespace resilience
