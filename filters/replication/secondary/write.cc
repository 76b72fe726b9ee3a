// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/serve.h"

#include <algorithm>
#include <cerrno>

#include "common/device/buffer_pool.h"
#include "common/device/pieces.h"

namespace resilience::replication {

namespace {

/// How much old content is copied at a time.
constexpr std::uint64_t copy_bytes = 1 << 20;

/// Writes the old content to hidden; clusters of zeroes need no room.
int keep(Layer& hidden, Clusters run, std::span<const std::byte> data)
{
    return hidden.by_content(run, data, [&](Clusters part, auto bytes, bool zero) {
        const int error = zero ? 0 : hidden.write(hidden.begin_of(part.first), bytes);
        if (error == 0) {
            hidden.set(part, zero ? ClusterState::zero : ClusterState::data);
        }
        return error;
    });
}

int save_run(Core& core, Clusters run)
{
    Layer& hidden = *core.hidden;
    const std::uint64_t most = std::max<std::uint64_t>(copy_bytes / hidden.cluster_size(), 1);
    while (!run.empty()) {
        const Clusters part{run.first, std::min(run.last, run.first + most)};
        const std::uint64_t begin = hidden.begin_of(part.first);
        const std::uint64_t length = hidden.end_of(part.last) - begin;
        const Buffer buffer = take_buffer(length);
        Request read;
        read.offset = begin;
        read.length = length;
        read.into = buffer.span().first(length);
        if (const int error = core.disk->execute(read)) {
            return error;
        }
        if (const int error = keep(hidden, part, read.into)) {
            return error;
        }
        core.counters.saved_bytes += length;
        run.first = part.last;
    }
    return 0;
}

/// Keeps what [begin, end) held at the last checkpoint, durably.
int save(Core& core, std::uint64_t begin, std::uint64_t end)
{
    if (core.header().nothing_saved) {
        return 0;
    }
    const auto runs = core.hidden->runs(core.hidden->touched(begin, end));
    int error = 0;
    bool saved = false;
    for (const ClusterRun& run : runs) {
        if (run.state == ClusterState::absent && error == 0) {
            error = save_run(core, run.clusters);
            saved = true;
        }
    }
    if (error == 0 && saved) {
        error = core.hidden->commit();
        core.counters.saves++;
    }
    if (error == 0) {
        return 0;
    }
    // Not kept, or nobody knows: then it must be tried again.
    for (const ClusterRun& run : runs) {
        if (run.state == ClusterState::absent) {
            core.hidden->set(run.clusters, ClusterState::absent);
        }
    }
    core.counters.save_errors++;
    core.note_error(error);
    core.reporter.io_error("saving what the disk held at the last checkpoint", begin, end - begin,
                           error);
    return error;
}

/// 0 if requests on this connection are served.
int refusal(Core& core, std::uint32_t connection)
{
    const int error = core.state != State::running         ? EIO
                      : !core.fence.may_write(connection) ? ESHUTDOWN
                                                           : 0;
    if (error != 0) {
        core.counters.refused++;
    }
    return error;
}

int read(Core& core, Request& request, std::uint32_t connection)
{
    const auto guard = core.lock_range(request.offset, request.end(), LockMode::shared);
    if (!guard) {
        return EIO;
    }
    const int error = refusal(core, connection);
    return error != 0 ? error : core.disk->execute(request);
}

int modify_piece(Core& core, Request& request, std::uint32_t connection)
{
    const auto guard = core.lock_range(request.offset, request.end(), LockMode::exclusive);
    if (!guard) {
        return EIO;
    }
    if (const int error = refusal(core, connection)) {
        return error;
    }
    if (const int error = save(core, request.offset, request.end())) {
        return error;
    }
    const int error = core.disk->execute(request);
    core.unsynced += request.length;
    core.writes++;  // when it has ended: a sync that began before does not cover it
    if (error != 0) {
        core.counters.write_errors++;
        core.note_error(error);
        core.reporter.io_error("writing for the primary", request.offset, request.length, error);
        return error;
    }
    core.counters.written_bytes += request.length;
    return 0;
}

int modify(Core& core, Request& request, std::uint32_t connection)
{
    return in_pieces(request,
                     [&](Request& piece) { return modify_piece(core, piece, connection); });
}

int flush(Core& core, std::uint32_t connection)
{
    const auto guard = core.lock.acquire_lane(core.deadline());
    if (!guard) {
        return EIO;
    }
    const int error = refusal(core, connection);
    return error != 0 ? error : core.sync_disk();
}

}  // namespace

int serve_primary(Core& core, Request& request, std::uint32_t connection)
{
    switch (request.op) {
    case Op::read:
    case Op::extents: return read(core, request, connection);
    case Op::write:
    case Op::zero:
    case Op::trim: return modify(core, request, connection);
    case Op::flush: return flush(core, connection);
    case Op::cache: return 0;
    }
    return EINVAL;
}

}  // namespace resilience::replication
