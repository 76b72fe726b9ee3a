// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/fetch.h"

#include <algorithm>
#include <cerrno>

namespace resilience::cor {

namespace {

/// What a client is told where the source is not to be had.
int to_error(int error)
{
    return error == ENOTCONN || error == ESHUTDOWN || error == ETIMEDOUT ? EIO : error;
}

/// Those who have joined wait a little longer than the one who must conclude.
constexpr std::chrono::milliseconds grace{2000};

}  // namespace

Fetch::Fetch(std::uint64_t offset, std::uint64_t length, TimePoint deadline)
    : offset_(offset), length_(length), deadline_(deadline), buffer_(take_buffer(length))
{
}

std::span<const std::byte> Fetch::bytes(std::uint64_t begin, std::uint64_t end) const
{
    return buffer_.span().subspan(begin - offset_, end - begin);
}

void Fetch::start(Source& source)
{
    {
        const std::lock_guard lock(mutex_);
        answer_.reset();
    }
    auto request = std::make_shared<Request>();
    request->offset = offset_;
    request->length = length_;
    request->into = buffer_.span();
    request->owner = buffer_.memory;
    source.submit(std::move(request),
                  [self = shared_from_this()](int error) { self->ended(error); });
}

void Fetch::ended(int error)
{
    const std::lock_guard lock(mutex_);
    answer_ = error;
    if (error == 0 && !result_) {
        result_ = 0;  // those who have joined need not wait for the claimer
    }
    changed_.notify_all();
}

void Fetch::conclude(int error)
{
    const std::lock_guard lock(mutex_);
    if (!result_) {
        result_ = error;
        changed_.notify_all();
    }
}

bool Fetch::arrived() const
{
    const std::lock_guard lock(mutex_);
    return answer_.has_value();
}

int Fetch::wait(Source& source)
{
    for (;;) {
        std::optional<int> answer;
        {
            std::unique_lock lock(mutex_);
            changed_.wait_until(lock, source.away() ? real_clock().now() : deadline_,
                                [this] { return answer_ || result_; });
            if (result_) {
                return *result_;
            }
            answer = answer_;
        }
        if (!answer) {
            if (!source.away()) {
                source.timed_out();
            }
            conclude(EIO);
            return join();
        }
        if (!source.again(*answer, deadline_)) {
            conclude(to_error(*answer));
            return join();
        }
        start(source);
    }
}

int Fetch::join()
{
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline_ + grace, [this] { return result_.has_value(); });
    return result_.value_or(EIO);
}

Segments Fetches::begin(Clusters range, TimePoint deadline)
{
    const ClusterMap& map = local_.map();
    const std::uint64_t most = std::max<std::uint64_t>(largest_fetch / map.cluster_size(), 1);
    Segments segments;
    std::vector<FetchPtr> claimed;
    {
        const std::lock_guard lock(mutex_);
        for (std::uint64_t at = range.first; at < range.last;) {
            auto next = flying_.upper_bound(at);
            if (next != flying_.begin()) {
                const Segment& before = std::prev(next)->second;
                if (before.clusters.last > at) {
                    const std::uint64_t end = std::min(before.clusters.last, range.last);
                    segments.push_back({{at, end}, before.fetch, false});
                    at = end;
                    continue;
                }
            }
            // States are set before a fetch leaves the table, so what is absent
            // now is nobody else's.
            std::uint64_t limit = range.last;
            if (next != flying_.end()) {
                limit = std::min(limit, next->first);
            }
            const std::uint64_t absent = std::min(map.next_absent(at), limit);
            if (absent > at) {
                segments.push_back({{at, absent}, nullptr, false});
                at = absent;
                continue;
            }
            std::uint64_t end = at + 1;
            while (end < limit && end - at < most && !map.is_present(end)) {
                end++;
            }
            const std::uint64_t offset = map.begin_of(at);
            auto fetch = std::make_shared<Fetch>(offset, map.end_of(end) - offset, deadline);
            segments.push_back({{at, end}, fetch, true});
            flying_.emplace(at, segments.back());
            claimed.push_back(std::move(fetch));
            at = end;
        }
    }
    for (const FetchPtr& fetch : claimed) {
        counters_.fetches++;
        fetch->start(source_);
    }
    return segments;
}

Fetches::Settled Fetches::settle(const Segment& segment)
{
    Settled settled;
    Fetch& fetch = *segment.fetch;
    settled.fetched = fetch.wait(source_);
    const std::uint64_t begin = fetch.offset();
    if (settled.fetched != 0) {
        counters_.source_errors++;
    } else {
        source_.answered();
        counters_.fetched_bytes += fetch.length();
        settled.stored =
            local_.store(segment.clusters, fetch.bytes(begin, begin + fetch.length()));
        if (settled.stored == 0) {
            counters_.stored_bytes += fetch.length();
            reporter_.store_works(local_.path());
        } else {
            counters_.store_failures++;
            reporter_.store_failed(local_.path(), begin, fetch.length(), settled.stored);
        }
    }
    const std::lock_guard lock(mutex_);
    flying_.erase(segment.clusters.first);
    return settled;
}

FetchPtr Fetches::pass(std::uint64_t offset, std::uint64_t length, TimePoint deadline)
{
    auto fetch = std::make_shared<Fetch>(offset, length, deadline);
    counters_.fetches++;
    fetch->start(source_);
    return fetch;
}

}  // namespace resilience::cor
