// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "common/control/json.h"
#include "common/core/unique_fd.h"

namespace resilience {

/// A command that was not carried out, or of which nobody knows.
class QmpError : public std::runtime_error {
public:
    enum class Kind : std::uint8_t {
        refused,     ///< the server said no; what() is its text
        usage,       ///< nothing was tried
        connection,  ///< there is no server, or not any more
        timeout,     ///< it may still be carried out
    };
    explicit QmpError(Kind kind, const std::string& message, std::string error_class = {})
        : std::runtime_error(message), kind_(kind), error_class_(std::move(error_class))
    {
    }
    Kind kind() const { return kind_; }
    /// Of a command that was refused: QMP's class of the error.
    const std::string& error_class() const { return error_class_; }

private:
    Kind kind_;
    std::string error_class_;
};

/// A negotiated connection to a QMP server: ours, or QEMU's.
class QmpClient {
public:
    using Clock = std::chrono::steady_clock;

    /// Connects to the unix socket `path` and negotiates.  Throws QmpError.
    QmpClient(const std::string& path, Clock::time_point deadline);

    /// Runs a command and returns what it returns.  Throws QmpError: refused
    /// with the server's text, timeout, connection.
    Json execute(const std::string& name, const Json& arguments, Clock::time_point deadline);

    /// The next event; nullopt when `deadline` has come, or when `stop_fd`
    /// (-1: none) can be read.
    std::optional<Json> next_event(Clock::time_point deadline, int stop_fd);

private:
    void connect(Clock::time_point deadline);
    std::optional<Json> next_message(Clock::time_point deadline, int stop_fd);
    std::optional<Json> buffered_message();
    bool wait(short events, Clock::time_point deadline, int stop_fd);
    void send_all(const std::string& text, Clock::time_point deadline);
    [[noreturn]] void fail(QmpError::Kind kind, const std::string& what) const;

    std::string path_;
    UniqueFd fd_;
    std::string buffer_;
    std::size_t searched_ = 0;  ///< bytes of buffer_ that hold no line end
    std::deque<Json> events_;   ///< that came while a reply was awaited
    std::int64_t last_id_ = 0;
};

}  // namespace resilience
