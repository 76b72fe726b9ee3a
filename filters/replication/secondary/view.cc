// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/serve.h"

#include <algorithm>
#include <cerrno>

#include "common/device/buffer_pool.h"
#include "common/device/extents.h"
#include "common/device/pieces.h"

namespace resilience::replication {

namespace {

constexpr std::uint64_t merge_bytes = 1 << 20;

/// The part of `run` that is inside [begin, end).
ByteRange part_of(const Layer& layer, const ClusterRun& run, std::uint64_t begin,
                  std::uint64_t end)
{
    return {std::max(begin, layer.begin_of(run.clusters.first)),
            std::min(end, layer.end_of(run.clusters.last))};
}

int read_disk(Core& core, ByteRange range, std::span<std::byte> into)
{
    Request request;
    request.offset = range.begin;
    request.length = range.length();
    request.into = into;
    return core.disk->execute(request);
}

/// One layer of the view; `below` has what is absent in it.
template <typename Below>
int read_layer(Layer& layer, ByteRange range, std::span<std::byte> into, Below below)
{
    for (const ClusterRun& run : layer.runs(layer.touched(range.begin, range.end))) {
        const ByteRange part = part_of(layer, run, range.begin, range.end);
        const auto here = into.subspan(part.begin - range.begin, part.length());
        int error = 0;
        switch (run.state) {
        case ClusterState::data: error = layer.read(part.begin, here); break;
        case ClusterState::zero: std::ranges::fill(here, std::byte{0}); break;
        case ClusterState::absent: error = below(part, here); break;
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/// Gives a cluster that is about to be written in part all of its content.
int fill_cluster(Core& core, std::uint64_t cluster, ByteRange but)
{
    Layer& active = *core.active;
    if (active.get(cluster) == ClusterState::data) {
        return 0;
    }
    const ByteRange whole{active.begin_of(cluster), active.end_of(cluster + 1)};
    const Buffer buffer = take_buffer(whole.length());
    for (const ByteRange part : {ByteRange{whole.begin, std::min(but.begin, whole.end)},
                                 ByteRange{std::max(but.end, whole.begin), whole.end}}) {
        if (part.empty()) {
            continue;
        }
        const auto bytes = buffer.span().first(part.length());
        if (const int error = read_view(core, part.begin, bytes)) {
            return error;
        }
        if (const int error = active.write(part.begin, bytes)) {
            return error;
        }
    }
    return 0;
}

/// Before [begin, end) is written to active.
int fill_edges(Core& core, ByteRange range)
{
    const Clusters touched = core.active->touched(range.begin, range.end);
    int error = 0;
    if (range.begin != core.active->begin_of(touched.first)) {
        error = fill_cluster(core, touched.first, range);
    }
    if (error == 0 && range.end != core.active->end_of(touched.last)) {
        error = fill_cluster(core, touched.last - 1, range);
    }
    return error;
}

int write_active(Core& core, const Request& request)
{
    const ByteRange range{request.offset, request.end()};
    if (const int error = fill_edges(core, range)) {
        return error;
    }
    if (const int error = core.active->write(range.begin, request.from)) {
        return error;
    }
    core.active->set(core.active->touched(range.begin, range.end), ClusterState::data);
    return 0;
}

/// Whole clusters become zeroes in the map alone; edges are written.
int zero_active(Core& core, ByteRange range)
{
    Layer& active = *core.active;
    Clusters whole = active.touched(range.begin, range.end);
    const std::uint64_t first = active.begin_of(whole.first);
    const std::uint64_t last = active.end_of(whole.last);
    const bool head = range.begin != first;
    const bool tail = range.end != last && !(head && whole.count() == 1);
    const auto edge = [&](ByteRange part) {
        if (const int error = fill_edges(core, part)) {
            return error;
        }
        if (const int error = active.write_zeroes(part.begin, part.length())) {
            return error;
        }
        active.set(active.touched(part.begin, part.end), ClusterState::data);
        return 0;
    };
    int error = 0;
    if (head) {
        error = edge({range.begin, std::min(range.end, active.end_of(whole.first + 1))});
        whole.first++;
    }
    if (error == 0 && tail) {
        whole.last--;
        error = edge({active.begin_of(whole.last), range.end});
    }
    if (error == 0 && !whole.empty()) {
        active.set(whole, ClusterState::zero);
    }
    return error;
}

int apply(Core& core, const Request& request)
{
    return request.op == Op::write ? write_active(core, request)
                                   : zero_active(core, {request.offset, request.end()});
}

/// The disk is going to differ from the other side's there.
int note_change(Core& core, const Request& request)
{
    return core.changes ? core.changes->set({request.offset, request.end()}) : 0;
}

int apply_to_disk(Core& core, Request& request)
{
    if (const int error = note_change(core, request)) {
        return error;
    }
    const int error = core.disk->execute(request);
    core.writes++;
    return error;
}

Request part_of(const Request& request, ByteRange part)
{
    Request result;
    result.op = request.op;
    result.flags = request.flags;
    result.offset = part.begin;
    result.length = part.length();
    if (request.op == Op::write) {
        result.from = request.from.subspan(part.begin - request.offset, part.length());
    }
    return result;
}

/// QEMU's rule after a merge that failed: what is buffered stays so, and what is
/// not goes to the disk.
int apply_after_failure(Core& core, Request& request)
{
    const Layer& layer = *core.active;
    const Clusters touched = layer.touched(request.offset, request.end());
    for (std::uint64_t at = touched.first; at < touched.last; at++) {
        const ByteRange part{std::max(request.offset, layer.begin_of(at)),
                             std::min(request.end(), layer.end_of(at + 1))};
        const bool buffered =
            layer.get(at) != ClusterState::absent ||
            !core.hidden->all_absent(core.hidden->touched(part.begin, part.end));
        Request piece = part_of(request, part);
        if (const int error = buffered ? apply(core, piece) : apply_to_disk(core, piece)) {
            return error;
        }
    }
    return 0;
}

int apply_in_failover(Core& core, Request& request)
{
    if (const int error = note_change(core, request)) {
        return error;
    }
    if (const int error = apply(core, request)) {
        return error;
    }
    // The merge has been there already: active has it, so a crash loses nothing,
    // and now the disk gets it, too.
    return request.offset < core.merged_until
               ? merge_range(core, {request.offset, request.end()})
               : 0;
}

int modify_piece(Core& core, Request& request)
{
    const auto guard = core.lock_range(request.offset, request.end(), LockMode::exclusive);
    if (!guard) {
        return EIO;
    }
    switch (core.state) {
    case State::none: return EIO;
    case State::running: return core.consistent() ? apply(core, request) : EIO;
    case State::failover: return apply_in_failover(core, request);
    case State::failover_failed: return apply_after_failure(core, request);
    case State::done: return apply_to_disk(core, request);
    }
    return EIO;
}

int flush(Core& core)
{
    const auto guard = core.lock.acquire_lane(core.deadline());
    if (!guard) {
        return EIO;
    }
    const State state = core.state;
    if (state == State::none || state == State::running) {
        return state == State::none ? 0 : core.active->commit();
    }
    if (state != State::done) {
        if (const int error = core.active->commit()) {
            return error;
        }
    }
    Request request;
    request.op = Op::flush;
    return core.disk->execute(request);
}

int modify(Core& core, Request& request)
{
    const int error =
        in_pieces(request, [&](Request& piece) { return modify_piece(core, piece); });
    return error == 0 && request.flags.fua ? flush(core) : error;
}

int read(Core& core, Request& request)
{
    const auto guard = core.lock_range(request.offset, request.end(), LockMode::shared);
    if (!guard) {
        return EIO;
    }
    const State state = core.state;
    if (state == State::none || (state == State::running && !core.consistent())) {
        return EIO;
    }
    return state == State::done ? core.disk->execute(request)
                                : read_view(core, request.offset, request.into);
}

int extents_of(Layer& layer, ByteRange range, ExtentList& list,
               const std::function<int(ByteRange)>& below)
{
    for (const ClusterRun& run : layer.runs(layer.touched(range.begin, range.end))) {
        const ByteRange part = part_of(layer, run, range.begin, range.end);
        if (run.state == ClusterState::absent) {
            if (const int error = below(part)) {
                return error;
            }
            continue;
        }
        const bool zero = run.state == ClusterState::zero;
        append_extent(list, {part.length(), zero, zero});
    }
    return 0;
}

int extents(Core& core, Request& request)
{
    if (request.flags.allocation_depth) {
        return ENOTSUP;
    }
    const auto guard = core.lock_range(request.offset, request.end(), LockMode::shared);
    if (!guard) {
        return EIO;
    }
    request.extents.clear();
    const ByteRange all{request.offset, request.end()};
    const auto of_disk = [&](ByteRange range) {
        return append_extents_of(*core.disk, range.begin, range.length(), request.extents);
    };
    const auto of_hidden = [&](ByteRange range) {
        return extents_of(*core.hidden, range, request.extents, of_disk);
    };
    const State state = core.state;
    return state == State::none || state == State::done
               ? of_disk(all)
               : extents_of(*core.active, all, request.extents, of_hidden);
}

}  // namespace

int read_view(Core& core, std::uint64_t offset, std::span<std::byte> into)
{
    const ByteRange range{offset, offset + into.size()};
    return read_layer(*core.active, range, into, [&](ByteRange part, std::span<std::byte> here) {
        return read_layer(*core.hidden, part, here, [&](ByteRange rest, std::span<std::byte> to) {
            return read_disk(core, rest, to);
        });
    });
}

int merge_range(Core& core, ByteRange range)
{
    const Layer& active = *core.active;
    for (std::uint64_t at = range.begin; at < range.end;) {
        const ByteRange part{at, std::min(range.end, at + merge_bytes)};
        at = part.end;
        if (active.all_absent(active.touched(part.begin, part.end)) &&
            core.hidden->all_absent(core.hidden->touched(part.begin, part.end))) {
            continue;
        }
        const Buffer buffer = take_buffer(part.length());
        Request write;
        write.op = Op::write;
        write.offset = part.begin;
        write.length = part.length();
        write.from = buffer.span().first(part.length());
        int error = read_view(core, part.begin, buffer.span().first(part.length()));
        if (error == 0) {
            error = core.disk->execute(write);
            core.writes++;
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int serve_view(Core& core, Request& request)
{
    switch (request.op) {
    case Op::read: return read(core, request);
    case Op::write:
    case Op::zero:
    case Op::trim: return modify(core, request);
    case Op::flush: return flush(core);
    case Op::extents: return extents(core, request);
    case Op::cache: return 0;
    }
    return EINVAL;
}

}  // namespace resilience::replication
