// SPDX-License-Identifier: BSD-3-Clause
#include "common/child/lasting_state.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/setup_error.h"

namespace resilience {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds look_interval{1000};
constexpr milliseconds first_retry{1000};
constexpr milliseconds longest_retry{5000};
constexpr milliseconds users_poll{100};
constexpr milliseconds unwanted_limit{100};
// A shorter timeout than this is meant for requests.  A busy machine can take as long
// for a look, and what is lost has to be brought up to date when it is back.
constexpr milliseconds least_patience{3000};

milliseconds retry_after(unsigned failures)
{
    return std::min(first_retry * (1 << std::min(failures > 0 ? failures - 1 : 0, 3U)),
                    longest_retry);
}

/// Why `device` is not what is needed; empty if it is.
std::string misfit(const ExpectedDevice& expected, const Device& device, const std::string& name)
{
    const Capabilities now = device.capabilities();
    if (device.size() != expected.size) {
        return fmt::format("'{}' has {} bytes, but {} are needed", name, device.size(),
                           expected.size);
    }
    if (const auto block = device.block_limits().minimum; block > expected.blocks.minimum) {
        return fmt::format("'{}' takes only whole blocks of {} bytes, but at most {} are allowed",
                           name, block, expected.blocks.minimum);
    }
    if (expected.capabilities.writable && !now.writable) {
        return fmt::format("'{}' cannot be written, but has to be", name);
    }
    if (expected.capabilities.flush && !now.flush) {
        return fmt::format("'{}' cannot flush, so nothing could be made durable on it", name);
    }
    return {};
}

}  // namespace

LastingState::LastingState(const ChildSpec& spec, const OpenOptions& options,
                           const ExpectedDevice& expected, OpenedChild opened, std::string why)
    : spec(spec), is_path(spec.kind == SpecKind::path), expected(expected), options_(options),
      link_(opened.device ? Link::up : Link::down), opened_(std::move(opened)),
      error_(std::move(why))
{
}

// ---- requests

int LastingState::refusal() const
{
    return started_ && !stopped_ ? ENOTCONN : ESHUTDOWN;
}

void LastingState::ask_again(const Device& device, Op op)
{
    if (!device.immediate(op)) {
        immediate_.fetch_and(~bit(op));
    }
}

// ---- the link

Link LastingState::link() const
{
    const Link own = link_.load();
    if (is_path || own == Link::down) {
        return own;
    }
    if (own == Link::up) {
        const Device* const device = serving_.load();
        return device ? device->link() : Link::down;
    }
    const std::lock_guard lock(mutex_);
    return opened_.device && opened_.device->link() != Link::down ? Link::returned : Link::down;
}

std::string LastingState::link_error() const
{
    const std::lock_guard lock(mutex_);
    const bool own = is_path || stopped_ || !opened_.device ||
                     (link_ == Link::returned && opened_.device->link() != Link::down);
    return own ? error_ : opened_.device->link_error();
}

bool LastingState::is_as_before() const
{
    const std::lock_guard lock(mutex_);
    return as_before_;
}

/// Under the lock.
void LastingState::serve()
{
    unsigned bits = 0;
    for (const Op op : {Op::read, Op::write, Op::flush, Op::zero, Op::trim, Op::cache, Op::extents}) {
        bits |= opened_.device->immediate(op) ? bit(op) : 0;
    }
    if (opened_.file) {
        identity_ = opened_.file->opened().identity;
    }
    whole_ = true;
    loss_.clear();
    error_.clear();
    immediate_ = bits;
    serving_ = opened_.device.get();
    link_ = Link::up;
}

void LastingState::resume()
{
    const std::lock_guard lock(mutex_);
    if (stopped_ || !opened_.device) {
        return;
    }
    if (link_ == Link::returned) {
        log::debug("{}: accepted", spec.text);
        serve();
    }
    if (!is_path) {
        opened_.device->resume();
    }
}

/// What is open is lost; `whole`: as far as it is known, nothing is missing in it.
void LastingState::lose(const std::string& why, bool whole)
{
    const std::lock_guard lock(mutex_);
    whole_ = whole_ && whole;
    if (stopped_ || link_ == Link::down) {
        return;
    }
    log::debug("{}: lost: {}", spec.text, why);
    serving_ = nullptr;
    immediate_ = 0;
    link_ = Link::down;
    loss_ = why;
    error_ = why;
}

/// It could not be opened (again).
void LastingState::failed(const std::string& why)
{
    const std::lock_guard lock(mutex_);
    if (!stopped_ && link_ == Link::down) {
        error_ = loss_.empty() || loss_ == why ? why : fmt::format("{}; when it was tried again: {}", loss_, why);
    }
}

void LastingState::start()
{
    std::shared_ptr<Device> device;
    {
        const std::lock_guard lock(mutex_);
        if (started_.exchange(true) || stopped_) {
            return;
        }
        device = opened_.device;
    }
    if (device) {
        device->start();
        const std::lock_guard lock(mutex_);
        if (!stopped_) {
            serve();
        }
    }
}

void LastingState::stop(milliseconds limit)
{
    std::shared_ptr<Device> device;
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        serving_ = nullptr;
        immediate_ = 0;
        link_ = Link::down;
        error_ = "stopped";
        device = opened_.device;
    }
    if (device) {
        device->stop(limit);
    }
}

bool LastingState::needs_worker() const
{
    const std::lock_guard lock(mutex_);
    return is_path || !opened_.device;
}

// ---- the threads

std::optional<TimePoint> LastingState::turn()
{
    struct Busy {
        explicit Busy(LastingState& state) : state_(state) { set(real_clock().now()); }
        Busy(const Busy&) = delete;
        Busy& operator=(const Busy&) = delete;
        ~Busy() { set(std::nullopt); }
        void set(std::optional<TimePoint> since) const
        {
            const std::lock_guard lock(state_.mutex_);
            state_.busy_since_ = since;
        }
        LastingState& state_;
    };
    const Busy busy(*this);
    if (link_ != Link::down) {
        look();
    }
    if (link_ == Link::down && !stopped_) {
        if (!let_go()) {
            return real_clock().now() + users_poll;
        }
        try_to_open();
        if (link_ == Link::down) {
            return real_clock().now() + retry_after(++failures_);
        }
        failures_ = 0;
    }
    if (!is_path) {
        return std::nullopt;  // its device does the rest
    }
    return real_clock().now() + look_interval;
}

void LastingState::look()
{
    std::shared_ptr<FileDevice> file;
    {
        const std::lock_guard lock(mutex_);
        file = opened_.file;
    }
    const FileLook seen = look_at_file(spec.target, file->opened(), spec.text);
    if (seen.found == FileLook::Found::unknown) {
        if (!std::exchange(warned_, true)) {
            log::warning("'{}' cannot be looked at ({}): it would not be noticed if it were "
                         "removed or replaced",
                         spec.text, seen.text);
        }
    } else if (seen.found != FileLook::Found::same) {
        lose(seen.text, seen.found != FileLook::Found::shorter);
    }
}

/// Closes what was lost, unless somebody still uses it.  Closing ends our locks on
/// it, which might keep us from opening it again.
bool LastingState::let_go()
{
    OpenedChild old;  // closed without the lock
    {
        const std::lock_guard lock(mutex_);
        const int users = users_.load();
        if (opened_.device && users != 0) {
            error_ = fmt::format("{}; {} requests of before have not ended yet", loss_, users);
            return false;
        }
        old = std::exchange(opened_, {});
    }
    return true;
}

void LastingState::try_to_open()
{
    // A thread that opens a file can hang.  This one is watched, so it may wait: it
    // must not leave another thread behind with each attempt.
    OpenOptions options = options_;
    if (is_path) {
        options.timeout = std::chrono::hours(24 * 365);
    }
    try {
        OpenedChild child = open_child_parts(spec, options);
        if (const auto why = misfit(expected, *child.device, spec.text); !why.empty()) {
            failed(why);
            return;
        }
        child.device->start();
        accept(std::move(child));
    } catch (const SetupError& error) {
        failed(error.what());
    }
}

void LastingState::accept(OpenedChild child)
{
    std::unique_lock lock(mutex_);
    if (stopped_) {
        lock.unlock();
        child.device->stop(unwanted_limit);
        return;
    }
    as_before_ = child.file && whole_ && identity_ == child.file->opened().identity;
    opened_ = std::move(child);
    error_ = fmt::format("'{}' is there {}, but is not accepted yet", spec.text,
                         loss_.empty() ? "now" : "again");
    log::debug("{}: returned", spec.text);
    link_ = Link::returned;
}

TimePoint LastingState::watch()
{
    const TimePoint now = real_clock().now();
    std::optional<TimePoint> since;
    {
        const std::lock_guard lock(mutex_);
        since = busy_since_;
    }
    if (!since) {
        return now + look_interval;
    }
    const auto patience = std::max(options_.timeout, least_patience);
    if (now - *since < patience) {
        return std::min(*since + patience, now + look_interval);
    }
    const auto why = fmt::format("'{}' did not answer within {:.3g} s: its file system hangs (a "
                                 "network file system whose server is gone?)",
                                 spec.text, std::chrono::duration<double>(patience).count());
    if (link_ != Link::down) {
        lose(why, true);
    } else {
        failed(why);
    }
    return now + look_interval;
}

}  // namespace resilience
