// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/next_context.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/nbdkit/pin_code.h"
#include "common/nbdkit/plugin_hooks.h"
#include "common/thread/thread_start.h"

namespace resilience {
namespace {

/// Between two looks; and between attempts to open, of which each next one waits
/// twice as long: nbdkit and the plugin log every one that fails.
constexpr std::chrono::seconds retry_after{1};
constexpr std::chrono::seconds longest_retry{8};
/// One that fails now and then is no lost connection.
constexpr int tries = 5;

/// Errors that are about a connection, not about the request or the medium.
bool is_about_connection(int error)
{
    return error == ENOTCONN || error == ESHUTDOWN || error == EPIPE || error == ECONNRESET ||
           error == ECONNABORTED || error == ECONNREFUSED || error == EBADF;
}

/// What a plugin that has lost its server may fail a request with.  The others
/// are answers: that there is no space, that it is not allowed.
bool is_suspicious(int error)
{
    return is_about_connection(error) || error == EIO || error == EINVAL || error == ETIMEDOUT;
}

/// No answer of a plugin to the read of a block: nobody serves it.
bool is_unanswered(int error) { return is_about_connection(error) || error == EINVAL; }

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
            context_ = shared_.context_;
            ++context_->users;
        }
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use()
    {
        if (!context_) {
            return;
        }
        const std::lock_guard lock(shared_.mutex_);
        if (--context_->users == 0 && (shared_.stopping_ || context_ != shared_.context_)) {
            shared_.changed_.notify_all();
        }
    }
    int error() const { return error_; }
    const std::shared_ptr<Context>& context() const { return context_; }

private:
    SharedNext& shared_;
    std::shared_ptr<Context> context_;
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
    if (use.error() != 0) {
        return use.error();
    }
    const std::shared_ptr<Context>& context = use.context();
    const int error = carry_out(context->next, context->facts, request);
    return is_suspicious(error) ? suspect(context, error) : error;
}

/// Returns the error for the one who asked: ENOTCONN if it is the connection, since
/// he has to know whether his request may still be carried out.
int SharedNext::suspect(const std::shared_ptr<Context>& context, int error)
{
    std::unique_lock lock(mutex_);
    const auto is_decided = [&, before = looks_] {
        return stopping_ || context != context_ || link_ != Link::up || looks_ != before;
    };
    if (!stopping_ && context == context_) {
        if (is_about_connection(error)) {
            lose(std::strerror(error));
        }
        suspected_ = true;
        changed_.notify_all();
        if (!pausing_) {  // else what was seen within the last second holds
            changed_.wait_for(lock, retry_after, is_decided);
        }
    }
    return context == context_ && link_ == Link::up ? error : ENOTCONN;
}

/// Nothing new if it is lost already.
void SharedNext::lose(const std::string& error)
{
    if (link_ == Link::down) {
        return;
    }
    link_ = Link::down;
    late_ = true;
    error_ = "the plugin below the filter has lost its connection: " + error;
    log::error("{}: {}", name_, error_);
}

void SharedNext::serve()
{
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        try {
            turn(lock);
        } catch (const std::exception& error) {
            log::error("{}: the plugin below the filter: {}", name_, error.what());
            if (!lock.owns_lock()) {
                lock.lock();
            }
            changed_.wait_for(lock, retry_after, [this] { return stopping_; });
        }
    }
    if (context_) {
        retired_.push_back(std::move(context_));
    }
    while (!retired_.empty()) {
        changed_.wait(lock, [this] {
            return std::ranges::any_of(retired_, [](const auto& old) { return old->users == 0; });
        });
        close_retired(lock);
    }
    ended_ = true;
    changed_.notify_all();
}

void SharedNext::turn(std::unique_lock<std::mutex>& lock)
{
    if (!context_) {
        open_until_done(lock);
    } else if (suspected_) {
        look(lock);
    } else {
        changed_.wait(lock);
    }
    close_retired(lock);
}

/// Closes those that no request uses any more.
void SharedNext::close_retired(std::unique_lock<std::mutex>& lock)
{
    for (;;) {
        const auto unused =
            std::ranges::find_if(retired_, [](const auto& old) { return old->users == 0; });
        if (unused == retired_.end()) {
            return;
        }
        nbdkit_next* next = (*unused)->next;
        retired_.erase(unused);
        lock.unlock();
        close(next);
        lock.lock();
    }
}

void SharedNext::open_until_done(std::unique_lock<std::mutex>& lock)
{
    for (std::chrono::seconds pause = retry_after; !stopping_;
         pause = std::min(2 * pause, longest_retry)) {
        std::string error;
        const bool reads = late_;
        lock.unlock();
        std::shared_ptr<Context> context = open(error);
        if (context && reads && is_unanswered(read_a_block(*context))) {
            error = "the plugin below the filter opens, but does not serve";
            close(context->next);
            context = nullptr;
        }
        lock.lock();
        tried_ = true;
        if (context) {
            use(std::move(context));
            return;
        }
        late_ = true;
        error_ = error;
        changed_.notify_all();
        changed_.wait_for(lock, pause, [this] { return stopping_; });
    }
}

void SharedNext::use(std::shared_ptr<Context> context)
{
    context_ = std::move(context);
    if (!stopping_) {
        link_ = late_ ? Link::returned : Link::up;
        error_ = late_ ? "the plugin below the filter is back" : "";
    }
    changed_.notify_all();
}

/// Finds out whether the context still serves; if not, another one takes its place.
void SharedNext::look(std::unique_lock<std::mutex>& lock)
{
    suspected_ = false;
    const std::shared_ptr<Context> old = context_;
    lock.unlock();
    int error = EIO;
    for (int left = tries; error != 0 && !is_unanswered(error) && left > 0; --left) {
        error = read_a_block(*old);
    }
    lock.lock();
    if (error == 0) {
        if (link_ == Link::down && !stopping_) {
            use(old);
        }
    } else {
        if (is_unanswered(error)) {
            lose(std::strerror(error));  // to open another one may take long
        }
        compare_with_another(lock, old, error);
    }
    ++looks_;
    changed_.notify_all();
    pausing_ = true;
    changed_.wait_for(lock, retry_after, [this] { return stopping_; });
    pausing_ = false;
}

void SharedNext::compare_with_another(std::unique_lock<std::mutex>& lock,
                                      const std::shared_ptr<Context>& old, int error)
{
    lock.unlock();
    std::string why = std::strerror(error);
    std::shared_ptr<Context> fresh = open(why);
    const int now = fresh ? read_a_block(*fresh) : ENOTCONN;
    lock.lock();
    if (fresh) {
        retired_.push_back(fresh);  // unless it is used
    }
    const bool answers = !is_unanswered(now);
    if (answers && now != 0 && !is_unanswered(error)) {
        // What both fail is the medium.
        if (link_ == Link::down && !stopping_) {
            use(old);
        }
        return;
    }
    lose(why);
    retired_.push_back(old);
    context_ = nullptr;
    if (answers && !stopping_) {
        retired_.remove(fresh);
        use(std::move(fresh));
    }
}

int SharedNext::read_a_block(const Context& context)
{
    const std::uint64_t length =
        std::min<std::uint64_t>(std::max<std::uint32_t>(context.facts.limits.minimum, 512), context.facts.size);
    if (length == 0) {
        return 0;
    }
    std::vector<std::byte> block(length);
    Request request;
    request.op = Op::read;
    request.length = length;
    request.into = block;
    return carry_out(context.next, context.facts, request);
}

/// Whether what comes back can do what those above have been promised.
std::string SharedNext::what_is_missing(const NextFacts& facts) const
{
    const Capabilities& had = expected_.capabilities;
    if (facts.size != expected_.size) {
        return fmt::format("has {} bytes now, it had {}", facts.size, expected_.size);
    }
    if (had.writable && !facts.capabilities.writable) {
        return "is read-only now";
    }
    if (had.flush && !facts.capabilities.flush) {
        return "cannot flush any more";
    }
    if (facts.limits.minimum > expected_.limits.minimum) {
        return fmt::format("takes blocks of at least {} bytes now, it took {}",
                           facts.limits.minimum, expected_.limits.minimum);
    }
    return "";
}

std::shared_ptr<SharedNext::Context> SharedNext::open(std::string& error) const
{
    auto context = std::make_shared<Context>();
    {
        const NoClientScope no_client;
        context->next = nbdkit_next_context_open(backend_, 0, "", 1);
    }
    nbdkit_next* const next = context->next;
    if (next == nullptr) {
        error = "the plugin below the filter could not be opened";
        return nullptr;
    }
    if (next->prepare(next) == -1 || !learn(next, context->facts)) {
        error = "the plugin below the filter does not answer questions about itself";
    } else if (const std::string missing = what_is_missing(context->facts); !missing.empty()) {
        error = "the plugin below the filter " + missing;
    } else {
        return context;
    }
    close(next);
    return nullptr;
}

void SharedNext::close(nbdkit_next* next)
{
    if (next->finalize(next) == 0) {
        nbdkit_next_context_close(next);
    }
}

}  // namespace resilience
