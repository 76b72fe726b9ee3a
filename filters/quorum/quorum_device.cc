// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/quorum_device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/core/parameter.h"
#include "filters/quorum/extents.h"
#include "filters/quorum/read.h"
#include "filters/quorum/speed.h"
#include "filters/quorum/write.h"

namespace resilience::quorum {

namespace {

constexpr std::chrono::milliseconds housekeeping_interval{50};
constexpr std::chrono::milliseconds idle_interval{100};
constexpr std::chrono::milliseconds check_interval{5};
constexpr std::chrono::milliseconds shortest_goodbye{100};
constexpr std::chrono::seconds retry_flush_after{1};

std::uint64_t common_size(const std::vector<NewChild>& children)
{
    const Device& first = *children.front().device;
    for (const NewChild& child : children) {
        if (child.device->size() != first.size()) {
            throw SetupError(fmt::format(
                "the children differ in size: '{}' has {} bytes, '{}' has {} bytes; all children "
                "must be of the same size",
                first.describe(), first.size(), child.device->describe(), child.device->size()));
        }
    }
    return first.size();
}

/// The least that all can take: a request that this allows suits every child.
BlockLimits combine(const Children& children)
{
    BlockLimits limits;
    for (const ChildPtr& child : children) {
        const BlockLimits one = child->device().block_limits();
        limits.minimum = std::max(limits.minimum, one.minimum);
        limits.preferred = std::max(limits.preferred, one.preferred);
        if (one.maximum != 0) {
            limits.maximum = limits.maximum == 0 ? one.maximum
                                                 : std::min(limits.maximum, one.maximum);
        }
    }
    return limits;
}

Capabilities combine_capabilities(const Children& children)
{
    Capabilities all;
    all.fua = all.zero = true;  // each device emulates what it lacks
    all.fast_zero = all.trim = all.extents = true;
    for (const ChildPtr& child : children) {
        const Capabilities one = child->device().capabilities();
        all.writable = all.writable && one.writable;
        all.fast_zero = all.fast_zero && one.fast_zero;
        all.trim = all.trim && one.zero;  // a trim is sent as a zero
        all.extents = all.extents && one.extents;
        all.multi_conn = all.multi_conn && one.multi_conn;
        all.cache = all.cache || one.cache;
        all.rotational = all.rotational || one.rotational;
    }
    return all;
}

}  // namespace

QuorumDevice::QuorumDevice(Options options, std::vector<NewChild> children, Observer& observer,
                           bool background, Clock& clock)
    : BlockingDevice("quorum"), observer_(observer), background_(background),
      state_(std::move(options), common_size(children), observer, clock), fastest_(state_),
      resync_(state_), settler_(state_), memory_keeper_(state_, settler_)
{
    Children members;
    for (const NewChild& child : children) {
        members.push_back(make_child(child, next_name()));
        state_.replace_children(members);  // so that the next name is checked against it
    }
    capabilities_ = combine_capabilities(members);
    block_limits_ = combine(members);
}

QuorumDevice::~QuorumDevice()
{
    stop(std::chrono::seconds(1));
}

ChildPtr QuorumDevice::make_child(const NewChild& child, std::string name)
{
    if (!child.node_name.empty() && !is_name(child.node_name)) {
        throw SetupError(fmt::format("'{}' is no name: use letters, digits, '-' and '_'",
                                     child.node_name));
    }
    const std::string node_name = child.node_name.empty() ? name : child.node_name;
    if (find_child(node_name) || node_name == state_.options.name) {
        throw SetupError(fmt::format(
            "the name '{}' is used twice: each child needs a name of its own", node_name));
    }
    auto made = std::make_shared<Child>(std::move(name), node_name, child.device, child.timeout,
                                        state_.clock, child.storage);
    made->member = child.member;
    if (child.missing) {
        for_each_marked(*child.missing, [&](ByteRange range) { made->distrust(range); });
    }
    if (memory_) {
        made->compare_with(*memory_);
    }
    if (!child.foreign.empty()) {
        made->begin_foreign(child.foreign);
    } else if (child.unchecked) {
        made->begin_unchecked();
    } else if (child.unseen) {
        made->begin_unseen();
    }
    made->on_foreign([this](const Child& changed, const std::string& why) {
        observer_.foreign(changed, why);
    });
    made->on_state_change([this](const Child& changed, ChildState from, ChildState to,
                                 const std::string& reason) {
        observer_.state_changed(changed, from, to, reason);
    });
    return made;
}

int QuorumDevice::read_as_one(Request& request)
{
    switch (state_.options.read_pattern) {
    case ReadPattern::quorum: return read_by_vote(state_, request);
    case ReadPattern::fifo: return read_first_answer(state_, request);
    case ReadPattern::fastest: return fastest_.read(request);
    }
    return EINVAL;
}

/// Children are stale, and wrong, in a granule and not everywhere.  A request
/// that lies in several of them may find too few children that are right in all
/// of them, and still enough in each.
int QuorumDevice::read_in_parts(Request& request)
{
    for (std::uint64_t at = request.offset; at < request.end();) {
        const std::uint64_t end =
            std::min(request.end(), (at / stale_granularity + 1) * stale_granularity);
        Request part = request;
        part.offset = at;
        part.length = end - at;
        part.into = request.into.subspan(at - request.offset, end - at);
        if (const int error = read_as_one(part)) {
            return error;
        }
        at = end;
    }
    return 0;
}

int QuorumDevice::read(Request& request)
{
    if (settler_.unsettled(range_of(request))) {
        if (const int error = settler_.settle(range_of(request))) {
            state_.report_failure(range_of(request));
            return error;
        }
    }
    const auto granule = [](std::uint64_t offset) { return offset / stale_granularity; };
    const int error = read_as_one(request);
    if (error == 0 || (granule(request.offset) != granule(request.end() - 1) &&
                       read_in_parts(request) == 0)) {
        return 0;
    }
    if (state_.options.read_pattern != ReadPattern::fifo) {  // there QEMU tells nobody
        state_.report_failure(range_of(request));
    }
    return error;
}

int QuorumDevice::execute(Request& request)
{
    if (memory_ && memory_->fenced()) {
        return EIO;  // somebody else serves this set now
    }
    int error = EINVAL;
    switch (request.op) {
    case Op::read: error = read(request); break;
    case Op::write:
    case Op::zero:
    case Op::trim:
        error = capabilities_.writable ? modify(state_, fastest_, request) : EROFS;
        break;
    case Op::flush: error = flush(state_); break;
    case Op::extents: error = block_status(state_, request); break;
    case Op::cache: error = cache(state_, request); break;
    }
    if (!background_) {
        work();
    }
    return error;
}

void QuorumDevice::start()
{
    BlockingDevice::start();
    if (memory_) {
        memory_->store().start();
        if (const int error = memory_->begin()) {
            throw SetupError(fmt::format("the memory cannot be written: {}",
                                         error == ESTALE ? "another server uses this set"
                                                         : std::strerror(error)));
        }
    }
    for (const ChildPtr& child : state_.snapshot()) {
        child->device().start();
    }
    for (const ChildPtr& child : state_.snapshot()) {
        if (child->foreign()) {
            observer_.foreign(*child, child->why_foreign());
        }
    }
    check_children();
    housekeeper_.start();
    if (background_) {
        worker_.start();
        // At once: where clients write all the time, a range that waits is overwritten.
        state_.on_heal([this] { worker_.wake(); });
    }
}

/// A client that comes at once is not told that too few are there, while they are being
/// compared.
void QuorumDevice::check_children()
{
    housekeep();
    for (const ChildPtr& child : state_.snapshot()) {
        const TimePoint deadline = state_.clock.now() + child->timeout();
        while (child->is_unchecked() && !child->foreign() && child->device().link() == Link::up &&
               state_.clock.now() < deadline) {
            std::this_thread::sleep_for(check_interval);
            housekeep();
        }
    }
}

void QuorumDevice::stop(std::chrono::milliseconds limit)
{
    stopping_ = true;
    state_.ending = true;
    state_.on_heal(nullptr);
    // Stopping the devices ends every request, and so everything the threads
    // could still be waiting for.  Those that hang share one limit.
    const TimePoint deadline = std::chrono::steady_clock::now() + limit;
    for (const ChildPtr& child : state_.snapshot()) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        child->device().stop(std::max(left, shortest_goodbye));
    }
    if (memory_) {
        memory_->store().stop(std::max(shortest_goodbye, limit));
    }
    housekeeper_.stop(BackgroundThread::no_limit);
    worker_.stop(BackgroundThread::no_limit);
    BlockingDevice::stop(limit);
}

void QuorumDevice::remember(std::unique_ptr<Memory> memory)
{
    memory_ = std::move(memory);
    state_.memory = memory_.get();
    for (const ChildPtr& child : state_.snapshot()) {
        child->compare_with(*memory_);
    }
    const memoryfile::Layout& layout = memory_->layout();
    for (std::uint64_t region = 0; region < layout.regions; region++) {
        if (memory_->has_intent(layout.range_of(region))) {
            settler_.doubt(layout.range_of(region));
            // What the server before us wrote there may not be flushed, and be forgotten yet.
            for (const ChildPtr& child : state_.children()) {
                child->may_have_written(layout.range_of(region), child->epoch(), false);
            }
        }
    }
}

void QuorumDevice::housekeep()
{
    const TimePoint now = state_.clock.now();
    const Children children = state_.snapshot();
    // Who is away may be left alone only as long as the others are enough.
    const auto current = std::ranges::count_if(
        children, [](const ChildPtr& child) { return child->current(); });
    const bool needed = static_cast<std::size_t>(current) < state_.threshold();
    for (const ChildPtr& child : children) {
        child->housekeep(now, needed);
    }
    judge_speed(children, observer_);
    fastest_.abandon_overdue();
    if (memory_ && memory_->fenced() && !fence_told_.exchange(true)) {
        observer_.fenced();
    }
    observer_.housekeep(now);
}

bool QuorumDevice::work()
{
    const std::unique_lock lock(work_mutex_, std::try_to_lock);
    if (!lock.owns_lock() || (memory_ && memory_->fenced())) {
        return false;  // what we copy now could be old for the server that has the set
    }
    bool more = false;
    for (const ByteRange& range : state_.take_heals()) {
        if (repair(state_, range, {}) != 0) {
            state_.report_failure(range);
        }
        more = true;
    }
    if (!stopping_) {
        memory_keeper_.step();
    }
    // First: what members disagree on has no majority to copy from.
    more = settler_.step() || more;
    more = flush_in_background() || more;
    return resync_.step() || more;
}

/// As a client would, when it does not: what is kept until a flush is bounded.
bool QuorumDevice::flush_in_background()
{
    if (!state_.unflushed.wants_flush() || state_.clock.now() < flush_not_before_) {
        return false;
    }
    const bool flushed = flush_unasked(state_) == 0;
    flush_not_before_ = flushed ? TimePoint{} : state_.clock.now() + retry_flush_after;
    return flushed;
}

std::optional<TimePoint> QuorumDevice::housekeeping_turn()
{
    if (stopping_) {
        return std::nullopt;
    }
    housekeep();
    return real_clock().now() + housekeeping_interval;
}

std::optional<TimePoint> QuorumDevice::work_turn()
{
    if (stopping_) {
        return std::nullopt;
    }
    const bool more = work();
    // With a rate limit there may be work that just has to wait.
    const Duration until_allowed = resync_.next_step() - state_.clock.now();
    const Duration idle = more ? Duration::zero() : Duration(idle_interval);
    return real_clock().now() + (until_allowed > Duration::zero()
                                     ? std::min(until_allowed, Duration(idle_interval))
                                     : idle);
}

}  // namespace resilience::quorum
