// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/replication/host.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace resilience::sim {

using namespace std::chrono_literals;
using namespace replication;

Secondary::Secondary(World& world, Host& host) : world_(world), host_(host) {}

void Secondary::start()
{
    alive_ = true;
    frozen_ = promoted_ = false;
    instance_ = world_.random().next() | 1;
    fence_.close(connections_);
}

void Secondary::kill(bool power)
{
    alive_ = false;
    frozen_ = false;
    waiting_.clear();
    if (power) {
        host_.disk.lose_power(world_.random());
    }
}

void Secondary::thaw()
{
    frozen_ = false;
    for (const auto& what : std::exchange(waiting_, {})) {
        what();
    }
}

void Secondary::when_thawed(std::function<void()> what)
{
    if (frozen_) {
        waiting_.push_back(std::move(what));
    } else {
        what();
    }
}

bool Secondary::consistent() const
{
    return host_.identity.consistent;
}

wire::Status Secondary::status() const
{
    wire::Status status;
    status.session = fence_.session();
    status.state = running_ ? State::running : State::none;
    status.role = host_.identity.role;
    status.pair = host_.identity.pair;
    status.epoch = host_.identity.epoch;
    status.device_size = host_.disk.size();
    status.checkpoint = checkpoint_;
    status.consistent = host_.identity.consistent;
    status.syncing = syncing_;
    status.needs_full = host_.identity.needs_full();
    status.was_primary = host_.identity.owes_map;
    status.map_granularity = granularity;
    status.map_bytes = (host_.disk.size() + 8 * granularity - 1) / (8 * granularity);
    status.instance = instance_;
    return status;
}

void Secondary::begin_checkpoint()
{
    host_.disk.flush();
    hidden_.clear();
    host_.identity = note_checkpoint(host_.identity);
    saves_ = host_.identity.consistent;
    view_ = host_.disk.content();
    made_++;
    if (on_checkpoint && host_.identity.consistent) {
        on_checkpoint();
    }
}

void Secondary::carry_out(const wire::Command& command, wire::Status& answer)
{
    switch (command.kind) {
    case wire::Kind::start:
        running_ = true;
        break;
    case wire::Kind::checkpoint:
        if (syncing_ || !running_) {
            answer.refusal = Refusal::wrong_state;
            answer.text = syncing_ ? "a sync runs" : "not running";
            break;
        }
        checkpoint_ = command.checkpoint;
        begin_checkpoint();
        break;
    case wire::Kind::sync_begin:
        syncing_ = true;
        host_.identity = note_sync_begin(host_.identity);
        if ((command.flags & wire::flag_full) != 0) {
            host_.identity.consistent = false;
            saves_ = false;
            hidden_.clear();
        }
        break;
    case wire::Kind::sync_end: syncing_ = false; break;
    case wire::Kind::map_taken: host_.identity = note_map_taken(host_.identity); break;
    case wire::Kind::hello:
    case wire::Kind::sync_progress:
    case wire::Kind::goodbye: break;
    }
}

wire::Status Secondary::command(const wire::Command& command)
{
    wire::Status refused;
    if (command.kind == wire::Kind::hello) {
        const Admission admission = admit(host_.identity, host_.disk.size(), host_.has_map,
                                          {command.pair, command.epoch, command.device_size});
        if (admission.refusal == Refusal::none) {
            if (!admission.next.based) {
                saves_ = false;  // nothing is known of what is on this disk
                checkpoint_ = 0;
                hidden_.clear();
            }
            host_.identity = admission.next;
            fence_.begin(connections_);
        }
        refused.refusal = admission.refusal;
        refused.text = admission.text;
    } else if (!fence_.current(command.session) || promoted_) {
        refused.refusal = Refusal::no_session;
        refused.text = "the session is over";
    } else {
        carry_out(command, refused);
    }
    wire::Status answer = status();
    answer.sequence = command.sequence;
    answer.refusal = refused.refusal;
    answer.text = refused.text;
    return answer;
}

/// Before a sector is changed, once per checkpoint.
void Secondary::save(std::uint64_t offset, std::uint64_t length)
{
    if (!saves_) {
        return;
    }
    for (std::uint64_t s = offset / sector; s * sector < offset + length; s++) {
        if (!hidden_.contains(s)) {
            std::array<std::byte, sector> old;
            host_.disk.read(s * sector, old);
            hidden_.emplace(s, old);
        }
    }
}

int Secondary::write(std::uint32_t connection, const Request& request)
{
    if (!fence_.may_write(connection) || promoted_ || !running_) {
        return EIO;
    }
    save(request.offset, request.length);
    if (request.op == Op::write) {
        host_.disk.write(request.offset, request.from);
    } else {
        host_.disk.zero(request.offset, request.length);
    }
    return 0;
}

int Secondary::flush(std::uint32_t connection)
{
    if (!fence_.may_write(connection)) {
        return EIO;
    }
    host_.disk.flush();
    return 0;
}

bool Secondary::promote()
{
    if (!host_.identity.consistent || host_.identity.role != Role::secondary) {
        return false;
    }
    host_.identity = replication::promote(host_.identity);
    fence_.close(connections_);
    promoted_ = true;
    for (const auto& [number, old] : hidden_) {
        host_.disk.write(number * sector, old);
    }
    hidden_.clear();
    host_.disk.flush();
    host_.identity = note_merged(host_.identity);
    // What the two disks differ in now, the old primary's map knows.
    host_.map->clear({0, host_.disk.size()});
    host_.map->set_base(host_.identity.pair, 0);
    host_.has_map = true;
    return true;
}

Host::Host(World& world, std::string host_name, std::uint64_t size)
    : name(std::move(host_name)), disk(size), map(std::make_unique<ChangeMap>(size, granularity)),
      secondary(world, *this)
{
}

std::unique_ptr<ChangeMap> copy_of(const ChangeMap& map)
{
    const std::uint64_t size = map.bits().size();
    auto copy = std::make_unique<ChangeMap>(size, granularity);
    copy->clear({0, size});
    std::uint64_t at = 0;
    while (const auto range = map.bits().next_marked(at, size)) {
        copy->set(*range);
        at = range->end;
    }
    copy->set_base(map.pair(), map.checkpoint());
    return copy;
}

}  // namespace resilience::sim
