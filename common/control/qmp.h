// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>

#include "common/control/command_table.h"
#include "common/control/json_stream.h"

namespace resilience {

/// The first thing a client sees, on one line.
std::string qmp_greeting();

/// An error reply, on one line.
std::string qmp_error(const std::string& desc, const std::string& error_class = "GenericError");

/// One client's conversation: answers messages in their order.  Not
/// thread-safe.
class QmpSession {
public:
    /// `table` must outlive the session.
    explicit QmpSession(const CommandTable& table) : table_(table) {}

    /// The reply to one item of the stream, on one line without its end.
    /// Runs the command, however long that takes.  Throws nothing.
    std::string answer(const StreamItem& item) noexcept;

    /// Whether the client has said qmp_capabilities: only then it may give
    /// commands, and gets events.
    bool negotiated() const { return negotiated_; }

private:
    Json run(const Json& request);
    Json negotiate(const Json& arguments);

    const CommandTable& table_;
    bool negotiated_ = false;
};

}  // namespace resilience
