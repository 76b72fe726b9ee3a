// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/dialog.h"

#include <utility>

#include <fmt/format.h>

namespace resilience::replication {

Dialog::Dialog(PeerLink& peer, const Identity& identity, std::uint64_t size, Duration timeout,
               Clock& clock)
    : peer_(peer), identity_(identity), size_(size), timeout_(timeout), clock_(clock),
      turns_(clock)
{
}

// ---- the session

void Dialog::begin(std::uint64_t session)
{
    const std::lock_guard lock(mutex_);
    status_.session = session;
    status_.sessions++;
    given_up_ = refused_ = false;
}

void Dialog::end()
{
    {
        const auto mine = turn();
        peer_.disconnect();
    }
    const std::lock_guard lock(mutex_);
    status_.session = 0;
    given_up_ = false;
}

std::uint64_t Dialog::session() const
{
    const std::lock_guard lock(mutex_);
    return status_.session;
}

void Dialog::give_up(bool refused)
{
    const std::lock_guard lock(mutex_);
    given_up_ = true;
    refused_ = refused_ || refused;
}

bool Dialog::given_up() const
{
    const std::lock_guard lock(mutex_);
    return given_up_;
}

bool Dialog::take_refusal()
{
    const std::lock_guard lock(mutex_);
    return std::exchange(refused_, false);
}

Dialog::Status Dialog::status() const
{
    const std::lock_guard lock(mutex_);
    return status_;
}

std::string Dialog::silence() const
{
    const std::lock_guard lock(mutex_);
    return silence_;
}

void Dialog::note(const std::string& what)
{
    const std::lock_guard lock(mutex_);
    status_.last_error = what;
}

std::string Dialog::last_error() const
{
    const std::lock_guard lock(mutex_);
    return status_.last_error;
}

// ---- exchanges

/// For one use of peer_; empty if whoever has it does not end.
RangeLock::Guard Dialog::turn()
{
    return turns_.acquire_all(clock_.now() + 2 * timeout_);
}

void Dialog::hear(const wire::Status& status)
{
    const std::lock_guard lock(mutex_);
    status_.peer = status;
    status_.heard = clock_.now();
}

bool Dialog::connect()
{
    const auto mine = turn();
    const std::string error = mine ? peer_.connect() : "an earlier exchange does not end";
    if (!error.empty()) {
        note(error);
    }
    return error.empty();
}

std::optional<wire::Status> Dialog::command(wire::Kind kind, std::uint64_t session,
                                            const std::function<void(wire::Command&)>& fill)
{
    const auto mine = turn();
    if (!mine) {
        return std::nullopt;
    }
    wire::Command command;
    command.kind = kind;
    command.session = session;
    command.device_size = size_;
    command.pair = identity_.pair;
    command.epoch = identity_.epoch;
    {
        const std::lock_guard lock(mutex_);
        command.sequence = ++sequence_;
    }
    if (fill) {
        fill(command);
    }
    auto status = peer_.command(command);
    if (status) {
        hear(*status);
    }
    if (!accepted(status)) {
        const std::lock_guard lock(mutex_);
        status_.unanswered += status ? 0 : 1;
        silence_ = status ? "" : peer_.error();
        status_.last_error =
            fmt::format("{}: {}", wire::to_string(kind), status ? status->text : silence_);
    }
    return status;
}

bool Dialog::is_there(std::uint64_t session)
{
    const auto mine = turn();
    const auto status = mine ? peer_.status() : std::nullopt;
    if (status) {
        hear(*status);
        if (status->session == session && status->role == Role::secondary) {
            return true;
        }
    }
    const std::lock_guard lock(mutex_);
    status_.unanswered += status ? 0 : 1;
    status_.last_error = status ? "the secondary has ended the session" : peer_.error();
    given_up_ = true;
    refused_ = refused_ || status.has_value();
    return false;
}

bool Dialog::read_map(std::uint64_t offset, std::span<std::byte> into)
{
    const auto mine = turn();
    const bool read = mine && peer_.read_map(offset, into);
    if (!read) {
        note(peer_.error());
    }
    return read;
}

std::shared_ptr<Device> Dialog::open_data()
{
    const auto mine = turn();
    auto data = mine ? peer_.open_data() : nullptr;
    if (!data) {
        note(peer_.error());
    }
    return data;
}

}  // namespace resilience::replication
