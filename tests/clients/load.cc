// SPDX-License-Identifier: BSD-3-Clause
#include "tests/clients/load.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <poll.h>

#include <fmt/format.h>

namespace resilience::test {

namespace {

/// What a written sector holds, 16 times.
struct Stamp {
    std::uint64_t value;
    std::uint64_t sector;
    std::uint64_t seed;
    std::uint64_t check;
};
constexpr std::size_t stamps_per_sector = sector_bytes / sizeof(Stamp);

Stamp make_stamp(Value value, std::uint64_t sector, std::uint64_t seed)
{
    return {value, sector, seed, (value * 0x9e3779b97f4a7c15U) ^ (sector << 32) ^ ~seed};
}

double seconds_now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

[[noreturn]] void fail(const std::string& what)
{
    throw Violation{what + ": " + (nbd_get_error() ? nbd_get_error() : "no reason given")};
}

}  // namespace

Load::Load(const LoadOptions& options)
    : options_(options), random_(options.seed), connections_(options.connections),
      sectors_(options.size / sector_bytes)
{
}

Load::~Load()
{
    for (Connection& connection : connections_) {
        nbd_close(connection.handle);
    }
}

void Load::connect()
{
    for (Connection& connection : connections_) {
        connection.handle = nbd_create();
        if (!connection.handle ||
            nbd_connect_uri(connection.handle, options_.uri.c_str()) == -1) {
            fail("cannot connect");
        }
    }
    const std::int64_t size = nbd_get_size(connections_[0].handle);
    if (size < 0 || options_.offset + options_.size > static_cast<std::uint64_t>(size)) {
        throw Violation{fmt::format("the export is too small for the area ({} bytes)", size)};
    }
}

/// Everybody knows zeroes to be there at the start.
void Load::prepare_area()
{
    nbd_handle* const handle = connections_[0].handle;
    if (nbd_zero(handle, options_.size, options_.offset, 0) == -1 || nbd_flush(handle, 0) == -1) {
        fail("cannot zero the area");
    }
}

void Load::run()
{
    connect();
    prepare_area();
    const double end = options_.seconds > 0 ? seconds_now() + options_.seconds : 0;
    const auto more = [&] {
        return (options_.requests == 0 || sent_ < options_.requests) &&
               (end == 0 || seconds_now() < end) && alive() > 0;
    };
    while (more()) {
        for (Connection& connection : connections_) {
            while (connection.alive && connection.in_flight < options_.depth && more()) {
                send_random(connection);
            }
        }
        poll_once();
    }
    drain();
    if (alive() == options_.connections) {
        read_back();
    }
}

unsigned Load::alive() const
{
    return std::count_if(connections_.begin(), connections_.end(),
                         [](const Connection& connection) { return connection.alive; });
}

void Load::read_back()
{
    Connection& connection = connections_[0];
    send(connection, Kind::flush, 0, 0, 0);
    drain();
    constexpr std::uint64_t piece = (256 << 10) / sector_bytes;
    for (std::uint64_t at = 0; at < sectors_.size(); at += piece) {
        send(connection, Kind::read, at, std::min<std::uint64_t>(piece, sectors_.size() - at), 0);
        drain();
    }
}

void Load::send_random(Connection& connection)
{
    const auto below = [this](std::uint64_t limit) { return random_() % limit; };
    // As many short requests as long ones, whatever the largest is.
    std::uint64_t longest = options_.largest / sector_bytes;
    while (longest > 1 && below(2) == 0) {
        longest /= 2;
    }
    const std::uint64_t count = std::min<std::uint64_t>(1 + below(longest), sectors_.size());
    const std::uint64_t first = below(sectors_.size() - count + 1);
    const std::uint64_t dice = below(100);
    const bool fua = options_.flushes && below(16) == 0;
    const std::uint32_t flags =
        fua && nbd_can_fua(connection.handle) == 1 ? LIBNBD_CMD_FLAG_FUA : 0;
    sent_++;
    if (dice < options_.read_percent) {
        send(connection, Kind::read, first, count, 0);
    } else if (dice >= 98 && options_.flushes) {
        send(connection, Kind::flush, 0, 0, 0);
    } else if (dice >= 92) {
        send(connection, Kind::trim, first, count, flags);
    } else if (dice >= 84) {
        const bool no_hole = below(2) == 0;
        send(connection, Kind::zero, first, count,
             flags | (no_hole ? LIBNBD_CMD_FLAG_NO_HOLE : 0U));
    } else {
        send(connection, Kind::write, first, count, flags);
    }
}

void Load::send(Connection& connection, Kind kind, std::uint64_t first, std::uint64_t count,
                std::uint32_t flags)
{
    auto operation = std::make_unique<Operation>();
    operation->load = this;
    operation->connection = &connection;
    operation->kind = kind;
    operation->first = first;
    operation->count = count;
    if (kind == Kind::read || kind == Kind::write) {
        operation->buffer.resize(count * sector_bytes);
    }
    if (kind == Kind::write) {
        operation->value = next_value_++;
        for (std::uint64_t i = 0; i < count; i++) {
            const Stamp stamp = make_stamp(operation->value, first + i, options_.seed);
            for (std::size_t part = 0; part < stamps_per_sector; part++) {
                std::memcpy(operation->buffer.data() + i * sector_bytes + part * sizeof stamp,
                            &stamp, sizeof stamp);
            }
        }
    }
    operation->start = ++now_;
    operation->sent_at = seconds_now();
    connection.in_flight++;
    Operation& sent = *in_flight_.emplace_back(std::move(operation));
    if (submit(connection.handle, sent, flags) == -1) {
        if (!options_.allow_disconnect) {
            fail("cannot send a request");
        }
        finish(sent, ENOTCONN);
        std::erase_if(in_flight_, [&](const auto& each) { return each.get() == &sent; });
        lose(connection);
    }
}

int Load::submit(nbd_handle* handle, Operation& operation, std::uint32_t flags)
{
    const std::uint64_t offset = options_.offset + operation.first * sector_bytes;
    const std::uint64_t length = operation.count * sector_bytes;
    const nbd_completion_callback callback{completed, &operation, nullptr};
    const auto result = [](std::int64_t cookie) { return cookie == -1 ? -1 : 0; };
    switch (operation.kind) {
    case Kind::read:
        return result(nbd_aio_pread(handle, operation.buffer.data(), length, offset, callback, 0));
    case Kind::write:
        return result(
            nbd_aio_pwrite(handle, operation.buffer.data(), length, offset, callback, flags));
    case Kind::zero:
        return result(nbd_aio_zero(handle, length, offset, callback, flags));
    case Kind::trim:
        return result(nbd_aio_trim(handle, length, offset, callback, flags));
    case Kind::flush:
        return result(nbd_aio_flush(handle, callback, 0));
    }
    return -1;
}

/// libnbd's callback: nothing may be thrown here.
int Load::completed(void* opaque, int* error)
{
    Operation& operation = *static_cast<Operation*>(opaque);
    operation.load->finish(operation, *error);
    return 1;  // retire the command
}

void Load::finish(Operation& operation, int error)
{
    now_++;
    operation.connection->in_flight--;
    done_[static_cast<std::size_t>(operation.kind)]++;
    slowest_ = std::max(slowest_, seconds_now() - operation.sent_at);
    if (error != 0) {
        errors_++;
        const bool cut_off = error == ENOTCONN || error == ESHUTDOWN;
        if (!(options_.allow_errors || (cut_off && options_.allow_disconnect)) &&
            failure_.empty()) {
            failure_ = fmt::format("a request of {} sectors at sector {} failed: {}",
                                   operation.count, operation.first, std::strerror(error));
        }
    }
    note_sectors(operation, error != 0);
    operation.kind = Kind::flush;  // done; to be swept away by the loop
    operation.load = nullptr;
}

void Load::note_sectors(const Operation& operation, bool failed)
{
    if (operation.kind == Kind::flush || (operation.kind == Kind::read && failed)) {
        return;
    }
    for (std::uint64_t i = 0; i < operation.count; i++) {
        SectorHistory& sector = sectors_[operation.first + i];
        if (operation.kind == Kind::read) {
            sector.read(read_stamp(operation, i), operation.start, now_);
        } else {
            sector.wrote(operation.value, operation.start, failed ? never : now_);
        }
    }
}

/// Which write the sector was read from.
Value Load::read_stamp(const Operation& operation, std::uint64_t index)
{
    const std::byte* const data = operation.buffer.data() + index * sector_bytes;
    Stamp stamp{};
    std::memcpy(&stamp, data, sizeof stamp);
    const std::uint64_t sector = operation.first + index;
    Stamp expected{};
    if (stamp.value != 0) {
        expected = make_stamp(stamp.value, sector, options_.seed);
    }
    for (std::size_t part = 0; part < stamps_per_sector && failure_.empty(); part++) {
        if (std::memcmp(data + part * sizeof expected, &expected, sizeof expected) != 0) {
            failure_ = fmt::format("sector {} was read with something that nobody wrote, at byte "
                                   "{} of it; it begins like write {}",
                                   sector, part * sizeof expected, stamp.value);
        }
    }
    return stamp.value;
}

void Load::lose(Connection& connection)
{
    connection.alive = false;
}

void Load::serve(Connection& connection, int events)
{
    const bool reads = (events & (POLLIN | POLLHUP | POLLERR)) != 0;
    int result = 0;
    const unsigned direction = nbd_aio_get_direction(connection.handle);
    if (reads && (direction & LIBNBD_AIO_DIRECTION_READ) != 0) {
        result = nbd_aio_notify_read(connection.handle);
    } else if ((events & (POLLOUT | POLLHUP | POLLERR)) != 0 &&
               (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) {
        result = nbd_aio_notify_write(connection.handle);
    }
    if (result == -1 || nbd_aio_is_dead(connection.handle) == 1 ||
        nbd_aio_is_closed(connection.handle) == 1) {
        if (!options_.allow_disconnect) {
            fail("a connection was lost");
        }
        lose(connection);
    }
}

void Load::poll_once()
{
    std::vector<pollfd> descriptors;
    std::vector<Connection*> owners;
    for (Connection& connection : connections_) {
        if (!connection.alive) {
            continue;
        }
        const unsigned direction = nbd_aio_get_direction(connection.handle);
        const int events = ((direction & LIBNBD_AIO_DIRECTION_READ) ? POLLIN : 0) |
                           ((direction & LIBNBD_AIO_DIRECTION_WRITE) ? POLLOUT : 0);
        descriptors.push_back(
            {nbd_aio_get_fd(connection.handle), static_cast<short>(events), 0});
        owners.push_back(&connection);
    }
    if (poll(descriptors.data(), descriptors.size(), 1000) > 0) {
        for (std::size_t i = 0; i < descriptors.size(); i++) {
            if (descriptors[i].revents != 0) {
                serve(*owners[i], descriptors[i].revents);
            }
        }
    }
    std::erase_if(in_flight_, [](const auto& operation) { return !operation->load; });
    if (!failure_.empty()) {
        throw Violation{failure_};
    }
    // Those in flight are in the order in which they were sent.
    if (!in_flight_.empty() && seconds_now() - in_flight_[0]->sent_at > options_.answer_within) {
        const Operation& oldest = *in_flight_[0];
        throw Violation{fmt::format("a request of {} sectors at sector {} has had no answer for "
                                    "{} seconds",
                                    oldest.count, oldest.first, options_.answer_within)};
    }
}

void Load::drain()
{
    while (!in_flight_.empty() && alive() > 0) {
        poll_once();
    }
    // What a lost connection left unanswered may have happened.
    for (const auto& operation : in_flight_) {
        if (operation->load) {
            finish(*operation, ENOTCONN);
        }
    }
    in_flight_.clear();
    if (!failure_.empty()) {
        throw Violation{failure_};
    }
}

void Load::check() const
{
    for (std::size_t i = 0; i < sectors_.size(); i++) {
        const auto wrong = sectors_[i].violation();
        if (!wrong) {
            continue;
        }
        std::string text = fmt::format("sector {} (byte {}): {}\nits history:\n", i,
                                       options_.offset + i * sector_bytes, *wrong);
        for (const SectorHistory::Access& access : sectors_[i].accesses()) {
            text += fmt::format("{:>8} {} {} {}\n", access.start,
                                access.end == never ? "failed  " : fmt::format("{:<8}", access.end),
                                access.is_read ? "read " : "write", access.value);
        }
        throw Violation{text};
    }
}

std::string Load::summary() const
{
    return fmt::format("{} reads, {} writes, {} zeroes, {} trims, {} flushes; {} errors; the "
                       "slowest took {:.3f} s",
                       done_[0], done_[1], done_[2], done_[3], done_[4], errors_, slowest_);
}

}  // namespace resilience::test
