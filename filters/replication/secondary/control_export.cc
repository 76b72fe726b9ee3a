// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/control_export.h"

#include <algorithm>
#include <cerrno>

#include "common/core/log.h"

namespace resilience::replication {

namespace {

/// Part of a change map as it is on the wire, from byte `offset` of it on.
void read_changes(const ChangeMap& map, std::uint64_t offset, std::span<std::byte> into)
{
    const DirtyBitmap& bits = map.bits();
    for (std::size_t i = 0; i < into.size(); i++) {
        const std::uint64_t at = offset + i;
        const std::uint64_t word = at / sizeof(std::uint64_t);
        into[i] = word < bits.words()
                      ? static_cast<std::byte>(bits.word(word) >> (at % sizeof(std::uint64_t) * 8))
                      : std::byte{0};
    }
}

}  // namespace

ControlExport::ControlExport(std::shared_ptr<Core> core, Actions& actions)
    : BlockingDevice("repl-control"), core_(std::move(core)), actions_(actions)
{
}

Capabilities ControlExport::capabilities() const
{
    return {.writable = true, .flush = true, .fua = true, .multi_conn = false};
}

int ControlExport::execute(Request& request)
{
    switch (request.op) {
    case Op::read: return read(request);
    case Op::write:
        return request.offset == 0 && request.length == wire::command_bytes
                   ? command(request.from)
                   : EINVAL;
    case Op::flush:
    case Op::cache: return 0;
    case Op::extents: request.extents = {{request.length, false, false}}; return 0;
    case Op::zero:
    case Op::trim: return EINVAL;
    }
    return EINVAL;
}

int ControlExport::command(std::span<const std::byte> bytes)
{
    wire::Command command;
    try {
        command = wire::decode_command(bytes);
    } catch (const std::exception& error) {
        log::error("replication: what was written to `control' is no command: {}", error.what());
        return EINVAL;
    }
    const std::lock_guard lock(mutex_);
    const Actions::Answer answer = actions_.obey(command);
    sequence_ = command.sequence;
    refusal_ = answer.refusal;
    text_ = answer.text;
    if (command.kind == wire::Kind::hello) {
        session_ = answer.session;
    }
    return 0;
}

wire::Status ControlExport::status() const
{
    const Identity identity = core_->identity();
    wire::Status status;
    {
        const std::lock_guard lock(mutex_);
        status.sequence = sequence_;
        status.refusal = refusal_;
        status.session = session_;
        status.text = text_;
    }
    const LayerHeader header = core_->header();
    status.state = core_->state;
    status.role = identity.role;
    status.pair = identity.pair;
    status.epoch = identity.epoch;
    status.device_size = core_->size();
    status.checkpoint = header.checkpoint;
    status.checkpoint_time = header.checkpoint_time;
    status.consistent = identity.consistent;
    status.syncing = header.syncing;
    status.needs_full = identity.needs_full();
    status.was_primary = identity.owes_map;
    status.error = static_cast<std::uint32_t>(core_->sticky.load());
    status.hidden_bytes = core_->hidden->bytes();
    status.active_bytes = core_->active->bytes();
    if (core_->changes) {
        status.map_granularity = core_->changes->bits().granularity();
        status.map_bytes = core_->changes->bits().words() * sizeof(std::uint64_t);
    }
    status.instance = core_->instance;
    return status;
}

int ControlExport::read(Request& request)
{
    std::ranges::fill(request.into, std::byte{0});
    if (request.offset < wire::status_bytes) {
        const auto bytes = wire::encode(status());
        const std::size_t length =
            std::min<std::size_t>(request.into.size(), bytes.size() - request.offset);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(request.offset), length,
                    request.into.begin());
    }
    if (core_->changes && request.end() > wire::map_offset) {
        const std::uint64_t skip =
            request.offset < wire::map_offset ? wire::map_offset - request.offset : 0;
        read_changes(*core_->changes, request.offset + skip - wire::map_offset,
                     request.into.subspan(skip));
    }
    return 0;
}

}  // namespace resilience::replication
