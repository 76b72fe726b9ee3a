// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace resilience::cor {

namespace {

using std::chrono::milliseconds;

constexpr unsigned stream_depth = 16;    ///< pieces of largest_fetch
constexpr unsigned trace_depth = 64;     ///< pieces, mostly of a few clusters
constexpr unsigned yielding_depth = 2;
constexpr milliseconds retry_interval{500};
constexpr milliseconds idle_interval{60 * 1000};
/// How much the source is asked about at a time.
constexpr std::uint64_t look_ahead_bytes = std::uint64_t{1} << 30;

/// The copy has no room; trying on would only fill the log of the source.
bool is_final(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

}  // namespace

Stream::Stream(Engine& engine)
    : engine_(engine), wanted_(engine.options.stream), rate_(engine.options.stream_rate)
{
}

void Stream::stop()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    thread_.stop(BackgroundThread::no_limit);
}

void Stream::want(bool wanted)
{
    {
        const std::lock_guard lock(mutex_);
        if (wanted_ && !wanted && state_ != "complete") {
            state_ = "stopped";
        }
        wanted_ = wanted;
        error_.clear();
        changed_.notify_all();
    }
    thread_.wake();
}

void Stream::set_rate(std::uint64_t bytes_per_second)
{
    const std::lock_guard lock(mutex_);
    rate_ = bytes_per_second;
    changed_.notify_all();
}

bool Stream::wanted() const
{
    const std::lock_guard lock(mutex_);
    return wanted_ && !stopping_;
}

StreamStatus Stream::status() const
{
    const ClusterMap& map = engine_.local->map();
    const std::uint64_t left = map.absent_clusters() * map.cluster_size();
    const std::lock_guard lock(mutex_);
    StreamStatus status;
    status.total = map.size();
    // The last cluster may be short, and what is passed may be counted twice.
    const std::uint64_t passed = passed_ * map.cluster_size();
    status.done = status.total - std::min(status.total, left - std::min(left, passed));
    status.state = left == 0 ? "complete" : state_;
    status.error = error_;
    status.rate = rate_;
    return status;
}

void Stream::set_state(std::string_view state, const std::string& error)
{
    {
        const std::lock_guard lock(mutex_);
        if (state_ == state || !wanted_) {
            return;
        }
        state_ = state;
        error_ = error;
    }
    const StreamStatus now = status();
    engine_.reporter.stream(std::string(state), now.done, now.total);
}

bool Stream::pause(milliseconds time)
{
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return stopping_ || !wanted_; });
    return wanted_ && !stopping_;
}

/// Whether there may be something to fetch.
bool Stream::unfinished() const
{
    const std::lock_guard lock(mutex_);
    return wanted_ && !stopping_ && state_ != "complete" && state_ != "failed";
}

/// Without anything to do it waits for want().
TimePoint Stream::turn()
{
    if (!std::exchange(traced_, true)) {
        prefetch_trace();
    }
    if (unfinished()) {
        fill();
    }
    return real_clock().now() + (unfinished() ? milliseconds(0) : idle_interval);
}

void Stream::prefetch_trace()
{
    if (!engine_.trace) {
        return;
    }
    Pipeline pipeline(engine_, [] { return trace_depth; });
    for (const Clusters& range : engine_.trace->recorded()) {
        for (std::uint64_t at = range.first; at < range.last;) {
            {
                const std::lock_guard lock(mutex_);
                if (stopping_) {
                    return;
                }
            }
            at = pipeline.add({at, range.last});
            if (pipeline.take_error() != 0) {
                return;  // a hint is not worth any trouble
            }
        }
    }
}

void Stream::fill()
{
    set_state("running");
    cursor_ = 0;
    ahead_end_ = 0;
    passed_ = 0;
    int trouble = 0;
    {
        Pipeline pipeline(engine_, [this] {
            return engine_.guests_waiting.load() > 0 ? yielding_depth : stream_depth;
        });
        while (wanted() && trouble == 0 && step(pipeline)) {
            trouble = pipeline.take_error();
        }
        pipeline.drain();
        trouble = trouble != 0 ? trouble : pipeline.take_error();
    }
    if (!wanted()) {
        return;
    }
    if (trouble == 0) {
        if (cursor_ >= engine_.local->map().clusters()) {
            set_state("complete");
        }
    } else if (is_final(trouble)) {
        set_state("failed", std::strerror(trouble));
    } else {
        if (engine_.source.away() || !engine_.source.refusal().empty()) {
            set_state("waiting", engine_.source.refusal());
        }
        pause(retry_interval);
    }
}

/// One piece; false at the end.
bool Stream::step(Pipeline& pipeline)
{
    const ClusterMap& map = engine_.local->map();
    cursor_ = map.next_absent(cursor_);
    if (cursor_ >= map.clusters()) {
        return false;
    }
    if (real_clock().now() < next_) {
        pipeline.drain();  // nobody may wait for us while we sleep
        while (real_clock().now() < next_) {
            const auto left = std::chrono::ceil<milliseconds>(next_ - real_clock().now());
            if (!pause(std::min(left, milliseconds(200)))) {
                return false;
            }
        }
    }
    if (!skip_zeroes(pipeline, map.clusters())) {
        return true;
    }
    const std::uint64_t from = cursor_;
    cursor_ = pipeline.add({from, map.clusters()});
    if (engine_.depth.limited()) {
        for (std::uint64_t i = from; i < cursor_; i++) {
            passed_ += engine_.depth.wanted(i) ? 0 : 1;
        }
    }
    pay_for((cursor_ - from) * map.cluster_size());
    return true;
}

/// Asks what lies ahead of the cursor.  False if the source does not say.
bool Stream::look_ahead()
{
    const ClusterMap& map = engine_.local->map();
    const std::uint64_t at = map.begin_of(cursor_);
    if (at >= ahead_begin_ && at < ahead_end_) {
        return true;
    }
    const TimePoint deadline = engine_.source_deadline();
    if (engine_.source.ready(deadline) != 0 || !engine_.source.capabilities().extents) {
        return false;
    }
    Request request;
    request.op = Op::extents;
    request.offset = at;
    request.length = std::min(look_ahead_bytes, map.size() - at);
    if (engine_.source.ask(request, deadline, ahead_) != 0) {
        ahead_ = {{.length = request.length}};
    }
    ahead_begin_ = extent_begin_ = at;
    ahead_next_ = 0;
    ahead_end_ = at + request.length;
    return true;
}

/// Takes over clusters that the source says are zeroes.  Returns whether there
/// is something to be read at the cursor.
bool Stream::skip_zeroes(Pipeline& pipeline, std::uint64_t limit)
{
    if (engine_.depth.limited() || !look_ahead()) {
        return true;
    }
    const ClusterMap& map = engine_.local->map();
    const std::uint64_t at = map.begin_of(cursor_);
    for (; ahead_next_ < ahead_.size(); ahead_next_++) {
        const Extent& extent = ahead_[ahead_next_];
        const std::uint64_t end = extent_begin_ + extent.length;
        if (at < end) {
            const Clusters zeroes{cursor_, std::min(map.covered(at, end).last, limit)};
            if (!extent.zero || zeroes.empty()) {
                return true;
            }
            RangeLock::Guard guard = engine_.lock_clusters(zeroes, LockMode::exclusive, {});
            if (!guard) {
                pipeline.drain();
                guard = engine_.lock_clusters(zeroes, LockMode::exclusive,
                                              engine_.lock_deadline());
            }
            // Exclusive: without a fetch of them on its way, all that is absent
            // is zero, whatever there was before is left alone.
            if (!guard || engine_.local->store_zeroes(zeroes) != 0) {
                return true;
            }
            cursor_ = zeroes.last;
            return false;
        }
        extent_begin_ = end;
    }
    return true;
}

void Stream::pay_for(std::uint64_t bytes)
{
    std::uint64_t rate = 0;
    {
        const std::lock_guard lock(mutex_);
        rate = rate_;
    }
    if (rate != 0) {
        const double seconds = static_cast<double>(bytes) / static_cast<double>(rate);
        next_ = std::max(next_, real_clock().now()) +
                std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    }
}

}  // namespace resilience::cor
