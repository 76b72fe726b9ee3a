// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/next_device.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace resilience {
namespace {

struct Current {
    nbdkit_next* next;
    const NextFacts* facts;
};
// Plain pointers: nothing to destroy when a thread of nbdkit's ends after this
// module has been unloaded.
thread_local Current current = {nullptr, nullptr};

}  // namespace

NextDevice::Scope::Scope(nbdkit_next* next, const NextFacts& facts) noexcept
{
    current = {next, &facts};
}

NextDevice::Scope::~Scope() { current = {nullptr, nullptr}; }

NextDevice::NextDevice(const Options& options)
    : BlockingDevice(options.name + "-pool"), facts_(options.facts), timeout_(options.timeout)
{
    if (options.background) {
        shared_ = std::make_shared<SharedNext>(options.name, options.backend, options.facts);
        // All clients go through one context: whatever the plugin says of
        // several, a flush here covers the writes of every user.
        facts_.capabilities.multi_conn = true;
    }
}

int NextDevice::execute(Request& request)
{
    try {
        if (shared_) {
            return shared_->execute(request);
        }
        return current.next == nullptr ? ENOTCONN
                                       : carry_out(current.next, *current.facts, request);
    } catch (const std::bad_alloc&) {
        return ENOMEM;  // a job of the pool must not throw
    }
}

void NextDevice::submit(std::shared_ptr<Request> request, Completion done)
{
    if (shared_) {
        BlockingDevice::submit(std::move(request), std::move(done));
    } else {
        done(execute(*request));
    }
}

Link NextDevice::link() const { return shared_ ? shared_->link() : Link::up; }

std::string NextDevice::link_error() const
{
    return shared_ ? shared_->link_error() : std::string();
}

void NextDevice::resume()
{
    if (shared_) {
        shared_->resume();
    }
}

void NextDevice::start()
{
    if (shared_) {
        BlockingDevice::start();
        shared_->start(timeout_);
    }
}

void NextDevice::stop(std::chrono::milliseconds limit)
{
    if (!shared_) {
        return;
    }
    const auto deadline = std::chrono::steady_clock::now() + limit;
    BlockingDevice::stop(limit);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    shared_->stop(std::max(left, std::chrono::milliseconds(100)));
}

}  // namespace resilience
