// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/next_context.h"

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/nbdkit/pin_code.h"
#include "common/nbdkit/plugin_hooks.h"
#include "common/thread/thread_start.h"

namespace resilience {
namespace {

constexpr std::chrono::seconds retry_after{1};

}  // namespace

/// A request under way: the context stays open as long as there is one.
class SharedNext::Use {
public:
    explicit Use(SharedNext& shared) : shared_(shared)
    {
        const std::lock_guard lock(shared_.mutex_);
        if (shared_.stopping_) {
            error_ = ESHUTDOWN;
        } else if (shared_.link_ != Link::up) {
            error_ = ENOTCONN;
        } else {
            ++shared_.users_;
        }
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use()
    {
        if (error_ != 0) {
            return;
        }
        const std::lock_guard lock(shared_.mutex_);
        if (--shared_.users_ == 0 && shared_.stopping_) {
            shared_.changed_.notify_all();
        }
    }
    int error() const { return error_; }

private:
    SharedNext& shared_;
    int error_ = 0;
};

SharedNext::SharedNext(std::string name, nbdkit_backend* backend, NextFacts expected)
    : name_(std::move(name)), backend_(backend), expected_(expected)
{
}

void SharedNext::start(std::chrono::milliseconds limit)
{
    std::unique_lock lock(mutex_);
    if (thread_.joinable() || stopping_) {
        return;
    }
    thread_ = start_thread(name_ + "-next", [self = shared_from_this()] { self->serve(); });
    const auto decided = [this] { return tried_ || stopping_; };
    if (!changed_.wait_for(lock, limit, decided)) {
        error_ = fmt::format("the plugin below the filter has not opened within {} ms",
                             limit.count());
        log::error("{}: {}", name_, error_);
    }
    late_ = link_ != Link::up;
}

void SharedNext::stop(std::chrono::milliseconds limit)
{
    std::thread thread;
    bool ended = false;
    {
        std::unique_lock lock(mutex_);
        stopping_ = true;
        link_ = Link::down;
        error_ = "stopped";
        changed_.notify_all();
        if (!thread_.joinable()) {
            return;
        }
        thread = std::move(thread_);
        ended = changed_.wait_for(lock, limit, [this] { return ended_; });
    }
    if (ended) {
        thread.join();
        return;
    }
    log::error("{}: the plugin below the filter hangs; its requests are abandoned", name_);
    thread.detach();
    pin_code();
}

Link SharedNext::link() const
{
    const std::lock_guard lock(mutex_);
    return link_;
}

std::string SharedNext::link_error() const
{
    const std::lock_guard lock(mutex_);
    return link_ == Link::up ? std::string() : error_;
}

void SharedNext::resume()
{
    const std::lock_guard lock(mutex_);
    if (link_ == Link::returned) {
        link_ = Link::up;
        error_.clear();
    }
}

int SharedNext::execute(Request& request)
{
    const Use use(*this);
    // context_ and facts_ are constant from the moment the link is up until
    // the last Use is gone.
    return use.error() != 0 ? use.error() : carry_out(context_, facts_, request);
}

void SharedNext::serve()
{
    std::unique_lock lock(mutex_);
    open_until_done(lock);
    changed_.wait(lock, [this] { return stopping_ && users_ == 0; });
    nbdkit_next* context = std::exchange(context_, nullptr);
    lock.unlock();
    if (context != nullptr && context->finalize(context) == 0) {
        nbdkit_next_context_close(context);
    }
    lock.lock();
    ended_ = true;
    changed_.notify_all();
}

void SharedNext::open_until_done(std::unique_lock<std::mutex>& lock)
{
    while (!stopping_) {
        NextFacts facts;
        std::string error;
        lock.unlock();
        nbdkit_next* context = open(facts, error);
        lock.lock();
        tried_ = true;
        if (context != nullptr) {
            context_ = context;
            facts_ = facts;
            if (!stopping_) {
                link_ = late_ ? Link::returned : Link::up;
                error_ = late_ ? "the plugin below the filter is back" : "";
            }
            changed_.notify_all();
            return;
        }
        late_ = true;
        error_ = error;
        changed_.notify_all();
        changed_.wait_for(lock, retry_after, [this] { return stopping_; });
    }
}

nbdkit_next* SharedNext::open(NextFacts& facts, std::string& error) const
{
    nbdkit_next* next = nullptr;
    {
        const NoClientScope no_client;
        next = nbdkit_next_context_open(backend_, 0, "", 1);
    }
    if (next == nullptr) {
        error = "the plugin below the filter could not be opened";
        return nullptr;
    }
    if (next->prepare(next) == -1 || !learn(next, facts)) {
        error = "the plugin below the filter does not answer questions about itself";
    } else if (facts.size != expected_.size) {
        error = fmt::format("the plugin below the filter has {} bytes now, it had {}",
                            facts.size, expected_.size);
    } else {
        return next;
    }
    if (next->finalize(next) == 0) {
        nbdkit_next_context_close(next);
    }
    return nullptr;
}

}  // namespace resilience
