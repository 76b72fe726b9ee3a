// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/cor_device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace resilience::cor {

namespace {

/// How many pieces a cache request keeps in flight.
constexpr unsigned cache_depth = 16;

/// Counts a guest that waits for the source; the stream looks at it.
class Waiting {
public:
    explicit Waiting(std::atomic<unsigned>& count) : count_(count) { count_++; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { count_--; }

private:
    std::atomic<unsigned>& count_;
};

}  // namespace

CorDevice::CorDevice(std::shared_ptr<Engine> engine)
    : BlockingDevice("cor-pool"), engine_(std::move(engine))
{
}

Capabilities CorDevice::capabilities() const
{
    return {.writable = true,  // the copy is; the source is never written
            .flush = true,
            .fua = true,
            .zero = true,
            .fast_zero = true,
            .trim = true,
            .extents = true,
            .cache = engine_->options.on_cache,
            .multi_conn = true};
}

BlockLimits CorDevice::block_limits() const
{
    return {.minimum = 1, .preferred = engine_->local->map().cluster_size(), .maximum = 0};
}

int CorDevice::carry_out(Request& request, bool keep)
{
    switch (request.op) {
    case Op::read: return read(request, keep);
    case Op::write:
    case Op::zero:
    case Op::trim: return modify(request);
    case Op::flush: return flush();
    case Op::cache: return keep ? prefetch(request) : 0;
    case Op::extents: return extents(request);
    }
    return EINVAL;
}

int CorDevice::read(Request& request, bool keep)
{
    const Clusters range = engine_->local->map().touched(request.offset, request.end());
    if (engine_->trace) {
        engine_->trace->use(range);
    }
    if (engine_->local->map().all_present(range)) {
        return engine_->local->read(request.offset, request.into);
    }
    return read_absent(request, keep);
}

int CorDevice::read_absent(Request& request, bool keep)
{
    const Waiting waiting(engine_->guests_waiting);
    const Clusters range = engine_->local->map().touched(request.offset, request.end());
    const RangeLock::Guard guard =
        engine_->lock_clusters(range, LockMode::shared, engine_->lock_deadline());
    if (!guard) {
        return EIO;
    }
    const TimePoint deadline = engine_->source_deadline();
    if (!engine_->local->map().all_present(range)) {
        if (const int error = engine_->source.ready(deadline)) {
            return error;
        }
    }
    if (keep && engine_->depth.limited()) {
        if (const int error = engine_->depth.learn(range, deadline)) {
            return error == ENOTCONN || error == ESHUTDOWN ? EIO : error;
        }
    }
    return keep && !engine_->depth.limited() ? read_kept(request, range, deadline)
           : keep                            ? read_by_depth(request, range, deadline)
                                             : read_passing(request, range, deadline);
}

/// The part of a read that `segment` has.
int CorDevice::deliver(const Request& request, const Segment& segment)
{
    const ClusterMap& map = engine_->local->map();
    const std::uint64_t begin = std::max(request.offset, map.begin_of(segment.clusters.first));
    const std::uint64_t end = std::min(request.end(), map.end_of(segment.clusters.last));
    const auto into = request.into.subspan(begin - request.offset, end - begin);
    if (!segment.fetch) {
        return engine_->local->read(begin, into);
    }
    const int error = segment.mine ? segment.fetch->wait(engine_->source) : segment.fetch->join();
    if (error == 0) {
        std::memcpy(into.data(), segment.fetch->bytes(begin, end).data(), into.size());
    }
    return error;
}

int CorDevice::read_kept(Request& request, Clusters range, TimePoint deadline)
{
    const Segments segments = engine_->fetches.begin(range, deadline);
    int error = 0;
    const auto note = [&error](int result) { error = error != 0 ? error : result; };
    // What is local is read while the rest is on its way.
    for (const Segment& segment : segments) {
        if (!segment.fetch) {
            note(deliver(request, segment));
        }
    }
    for (const Segment& segment : segments) {
        if (!segment.fetch) {
            continue;
        }
        note(deliver(request, segment));
        if (segment.mine) {
            engine_->fetches.settle(segment);  // a copy that fails does not fail the read
        } else {
            engine_->counters.joined++;
        }
    }
    return error;
}

/// Runs of clusters that are copied, and of others, in turn.
int CorDevice::read_by_depth(Request& request, Clusters range, TimePoint deadline)
{
    const ClusterMap& map = engine_->local->map();
    const auto kept = [&](std::uint64_t i) { return map.is_present(i) || engine_->depth.wanted(i); };
    while (!range.empty()) {
        const bool keep = kept(range.first);
        Clusters run{range.first, range.first + 1};
        while (run.last < range.last && kept(run.last) == keep) {
            run.last++;
        }
        Request part;
        part.offset = std::max(request.offset, map.begin_of(run.first));
        part.length = std::min(request.end(), map.end_of(run.last)) - part.offset;
        part.into = request.into.subspan(part.offset - request.offset, part.length);
        if (const int error = keep ? read_kept(part, run, deadline)
                                   : read_passing(part, run, deadline)) {
            return error;
        }
        range.first = run.last;
    }
    return 0;
}

/// Without keeping anything, so in bytes as they were asked for.
int CorDevice::read_passing(Request& request, Clusters range, TimePoint deadline)
{
    const ClusterMap& map = engine_->local->map();
    std::vector<FetchPtr> passing;
    int error = 0;
    for (std::uint64_t at = range.first; at < range.last && error == 0;) {
        const bool local = map.is_present(at);
        std::uint64_t last = at + 1;
        while (last < range.last && map.is_present(last) == local &&
               (local || map.end_of(last + 1) - map.begin_of(at) <= largest_fetch)) {
            last++;
        }
        const std::uint64_t begin = std::max(request.offset, map.begin_of(at));
        const std::uint64_t end = std::min(request.end(), map.end_of(last));
        if (local) {
            error = engine_->local->read(
                begin, request.into.subspan(begin - request.offset, end - begin));
        } else {
            passing.push_back(engine_->fetches.pass(begin, end - begin, deadline));
        }
        at = last;
    }
    for (const FetchPtr& fetch : passing) {
        if (const int result = fetch->wait(engine_->source)) {
            error = error != 0 ? error : result;
            engine_->counters.source_errors++;
            continue;
        }
        engine_->source.answered();
        engine_->counters.passed_bytes += fetch->length();
        const std::uint64_t begin = fetch->offset();
        std::memcpy(request.into.data() + (begin - request.offset),
                    fetch->bytes(begin, begin + fetch->length()).data(), fetch->length());
    }
    return error;
}

int CorDevice::prefetch(const Request& request)
{
    const Clusters range = engine_->local->map().touched(request.offset, request.end());
    Pipeline pipeline(*engine_, [] { return cache_depth; });
    int error = 0;
    for (std::uint64_t at = range.first; at < range.last && error == 0;) {
        at = pipeline.add({at, range.last});
        error = pipeline.take_error();
    }
    pipeline.drain();
    return error != 0 ? error : pipeline.take_error();
}

int CorDevice::flush()
{
    const int error = engine_->local->sync();
    if (error != 0) {
        engine_->reporter.sync_failed(engine_->local->path(), error);
    }
    return error;
}

}  // namespace resilience::cor
