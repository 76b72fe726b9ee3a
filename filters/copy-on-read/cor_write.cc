// SPDX-License-Identifier: BSD-3-Clause

// What changes the device: it goes to the copy, and wins over the source.

#include <algorithm>
#include <cerrno>

#include "common/device/extents.h"
#include "filters/copy-on-read/cor_device.h"

namespace resilience::cor {

int CorDevice::modify(Request& request)
{
    const ClusterMap& map = engine_->local->map();
    const Clusters touched = map.touched(request.offset, request.end());
    const RangeLock::Guard guard =
        engine_->lock_clusters(touched, LockMode::exclusive, engine_->lock_deadline());
    if (!guard) {
        return EIO;
    }
    int error = 0;
    if (request.op == Op::write) {
        error = make_local(map.covered(request.offset, request.end()), touched);
        if (error == 0) {
            error = engine_->local->write(request.offset, request.from);
        }
    } else {
        error = request.op == Op::zero ? zero(request) : trim(request);
    }
    return error == 0 && request.flags.fua ? flush() : error;
}

/// The clusters that a request changes only in part, the first and the last,
/// have to be local.  Without the source that is an error: what the guest did
/// not write of a cluster would be lost.
int CorDevice::make_local(Clusters whole, Clusters touched)
{
    const ClusterMap& map = engine_->local->map();
    const auto is_missing = [&](std::uint64_t i) {
        return (i < whole.first || i >= whole.last) && !map.is_present(i);
    };
    const bool first = is_missing(touched.first);
    const bool last = touched.count() > 1 && is_missing(touched.last - 1);
    if (!first && !last) {
        return 0;
    }
    const TimePoint deadline = engine_->source_deadline();
    if (const int error = engine_->source.ready(deadline)) {
        return error;
    }
    Segments segments;
    const auto begin = [&](std::uint64_t i) {
        const Segments more = engine_->fetches.begin({i, i + 1}, deadline);
        segments.insert(segments.end(), more.begin(), more.end());
    };
    if (first) {
        begin(touched.first);
    }
    if (last) {
        begin(touched.last - 1);
    }
    int error = 0;
    for (const Segment& segment : segments) {
        if (segment.mine) {  // under the exclusive lock nobody else has it
            const Fetches::Settled settled = engine_->fetches.settle(segment);
            const int result = settled.fetched != 0 ? settled.fetched : settled.stored;
            error = error != 0 ? error : result;
        }
    }
    return error;
}

int CorDevice::zero(const Request& request)
{
    const ClusterMap& map = engine_->local->map();
    const Clusters whole = map.covered(request.offset, request.end());
    const Clusters touched = map.touched(request.offset, request.end());
    const auto needs_source = [&](std::uint64_t i) {
        return (i < whole.first || i >= whole.last) && !map.is_present(i);
    };
    if (request.flags.fast_zero &&
        (needs_source(touched.first) || needs_source(touched.last - 1))) {
        return ENOTSUP;  // it would have to be fetched first
    }
    if (const int error = make_local(whole, touched)) {
        return error;
    }
    return engine_->local->zero(request.offset, request.length, request.flags);
}

/// Whole clusters become zeroes, and are never fetched any more.  Parts of
/// clusters that are not here stay as they are: nobody may rely on what a
/// trimmed range holds, and fetching it to throw it away helps nobody.
int CorDevice::trim(const Request& request)
{
    const ClusterMap& map = engine_->local->map();
    const Clusters touched = map.touched(request.offset, request.end());
    const Clusters whole = map.covered(request.offset, request.end());
    const auto is_kept = [&](std::uint64_t i) {
        return map.is_present(i) || (i >= whole.first && i < whole.last);
    };
    const std::uint64_t begin = is_kept(touched.first)
                                    ? request.offset
                                    : std::min(request.end(), map.end_of(touched.first + 1));
    const std::uint64_t end = is_kept(touched.last - 1)
                                  ? request.end()
                                  : std::max(begin, map.begin_of(touched.last - 1));
    return begin >= end ? 0 : engine_->local->zero(begin, end - begin, {.may_trim = true});
}

int CorDevice::extents(Request& request)
{
    const ClusterMap& map = engine_->local->map();
    request.extents.clear();
    const auto add = [&](std::uint64_t length, bool hole, bool zero) {
        append_extent(request.extents, {.length = length, .hole = hole, .zero = zero});
    };
    for (std::uint64_t at = request.offset; at < request.end();) {
        const std::uint64_t first = map.touched(at, at + 1).first;
        const ClusterState state = map.get(first);
        std::uint64_t last = first + 1;
        while (map.end_of(last) < request.end() && map.get(last) == state) {
            last++;
        }
        const std::uint64_t end = std::min(request.end(), map.end_of(last));
        if (state == ClusterState::absent) {
            for (const Extent& extent : source_extents(at, end)) {
                add(extent.length, extent.hole, extent.zero);
            }
        } else {
            add(end - at, state == ClusterState::zero, state == ClusterState::zero);
        }
        at = end;
        if (request.flags.one_extent && request.extents.size() > 1) {
            request.extents.resize(1);
            break;
        }
    }
    return 0;
}

/// What the source says of a range; where it says nothing, that it is data.
ExtentList CorDevice::source_extents(std::uint64_t begin, std::uint64_t end)
{
    Request question;
    question.op = Op::extents;
    question.offset = begin;
    question.length = end - begin;
    ExtentList answer;
    const TimePoint deadline = engine_->source_deadline();
    if (engine_->source.ready(deadline) == 0 &&
        engine_->source.ask(question, deadline, answer) == 0) {
        std::uint64_t at = begin;
        for (Extent& extent : answer) {
            extent.length = std::min(extent.length, end - at);
            at += extent.length;
        }
        std::erase_if(answer, [](const Extent& extent) { return extent.length == 0; });
        if (at == end) {
            return answer;
        }
    }
    return {{.length = end - begin}};
}

}  // namespace resilience::cor
