// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/nbd_device.h"

// The parts, from the server upwards:
//
//   ServerProcess   the server of a `[ COMMAND ]`
//   connect_nbd     one attempt to connect, with a deadline
//   NbdOperation    a request as a chain of NBD commands; no I/O
//   NbdPieces       a large request as several
//   NbdConnection   an established connection; ends every command exactly once
//   NbdLoop         the one thread that reads the replies of all connections
//   NbdLink         makes the connection again; its states are in nbd_state.h
//   NbdDevice       the Device that users see

#include <cerrno>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include "common/device/open_options.h"
#include "common/nbd/nbd_connector.h"
#include "common/nbd/nbd_link.h"
#include "common/nbd/nbd_pieces.h"
#include "common/thread/thread_start.h"

namespace resilience {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds goodbye_limit{1000};
// What the probe may take beyond the timeout: the good-bye, and ending a server.
constexpr milliseconds probe_grace{4000};
constexpr milliseconds destructor_limit{100};

/// Connects and asks; refers to nothing of its caller.
NbdAttempt probe(const NbdTarget& target, bool depth, milliseconds timeout)
{
    NbdAttempt attempt = connect_nbd(target, depth, real_clock().now() + timeout, -1);
    if (attempt.handle && target.command) {
        disconnect_nbd(std::move(attempt.handle), real_clock().now() + goodbye_limit);
    }
    attempt.server = ServerProcess();
    return attempt;
}

/// Why a server that was reached cannot be used; empty if it can.
std::string refusal(const NbdTarget& target, const OpenOptions& options,
                    const NbdProperties& properties)
{
    if (options.writable && !properties.writable) {
        const std::string& way = options.read_only_by;
        return fmt::format("{}: {} is exported read-only, but has to be written; export it "
                           "writable{}{}",
                           target.text, describe_nbd_target(target), way.empty() ? "" : ", or say ",
                           way);
    }
    if (options.allocation_depth && !properties.allocation_depth) {
        return fmt::format("{}: {} does not offer {}, so it cannot be asked for the layers of its "
                           "image (qemu-nbd does, with -A)",
                           target.text, describe_nbd_target(target), depth_context);
    }
    return {};
}

const char* advice(const NbdTarget& target)
{
    return target.command
               ? "check that the command starts an NBD server that takes its socket by systemd "
                 "socket activation (nbdkit and qemu-nbd do)"
               : "check that the server runs and that the URI is right";
}

}  // namespace

NbdDevice::NbdDevice(const NbdTarget& target, const OpenOptions& options,
                     const NbdProperties& properties, NbdHandle probed)
    : text_(target.text),
      writable_(options.writable && properties.writable),
      properties_(properties),
      link_(std::make_shared<NbdLink>(target, options, properties, std::move(probed)))
{
}

NbdDevice::~NbdDevice()
{
    link_->stop(destructor_limit);
}

Capabilities NbdDevice::capabilities() const
{
    const NbdProperties& p = properties_;
    return {.writable = writable_,
            .rotational = p.rotational,
            .flush = p.flush,
            .fua = p.fua,
            .zero = p.zero,
            .fast_zero = p.fast_zero,
            .trim = p.trim,
            .extents = p.extents,
            .cache = p.cache,
            .multi_conn = true,  // all users share the one connection
            .forgets_unflushed = true};
}

int NbdDevice::check(const Request& r) const
{
    if (modifies(r.op) && !writable_) {
        return EROFS;
    }
    if (r.op == Op::flush) {
        return 0;
    }
    if (r.length == 0 || r.offset > size() || r.length > size() - r.offset ||
        (r.op == Op::read && r.into.size() != r.length) ||
        (r.op == Op::write && r.from.size() != r.length)) {
        return EINVAL;
    }
    return 0;
}

void NbdDevice::submit(std::shared_ptr<Request> request, Completion done)
{
    int error = check(*request);
    if (error != 0) {
        done(error);
        return;
    }
    const std::shared_ptr<NbdProgress>& progress = link_->progress();
    progress->asked(*request);
    const auto connection = link_->connection(error);
    if (!connection) {
        progress->ended(*request, false);
        done(error);
    } else if (!NbdPieces::submit(connection, properties_, progress, request, done)) {
        connection->submit(std::move(request), std::move(done));
    }
}

int NbdDevice::execute(Request& request)
{
    std::mutex mutex;
    std::condition_variable ended;
    bool has_ended = false;
    int result = 0;
    // Not owned: we wait until nobody uses it any more.
    const std::shared_ptr<Request> borrowed(std::shared_ptr<Request>(), &request);
    submit(borrowed, [&](int error) {
        const std::lock_guard lock(mutex);
        result = error;
        has_ended = true;
        ended.notify_one();  // under the lock: the waiter takes it all away
    });
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return has_ended; });
    return result;
}

Link NbdDevice::link() const
{
    return link_->link();
}

std::string NbdDevice::link_error() const
{
    return link_->link_error();
}

void NbdDevice::resume()
{
    link_->resume();
}

Progress NbdDevice::progress() const
{
    return link_->progress()->get();
}

bool NbdDevice::read_early(std::vector<EarlyRead>& reads, TimePoint deadline)
{
    return link_->read_early(reads, deadline);
}

void NbdDevice::start()
{
    link_->start();
}

void NbdDevice::stop(milliseconds limit)
{
    link_->stop(limit);
}

pid_t NbdDevice::server_pid() const
{
    return link_->server_pid();
}

std::shared_ptr<NbdDevice> open_nbd_child(const NbdTarget& target, const OpenOptions& options)
{
    const auto timeout = options.timeout;
    const bool depth = options.allocation_depth;
    // On a thread of its own, because resolving a host name has no deadline.
    // It has ended when we return, unless it hangs there; then we throw.
    const auto attempt = call_with_deadline<std::shared_ptr<NbdAttempt>>(
        "nbd-probe",
        [target, depth, timeout] {
            return std::make_shared<NbdAttempt>(probe(target, depth, timeout));
        },
        timeout + probe_grace);
    std::string error;
    if (!attempt) {
        error = fmt::format("did not answer within {:.3g} s (its name could not be resolved)",
                            std::chrono::duration<double>(timeout).count());
    } else {
        error = (*attempt)->error;
    }
    if (!error.empty()) {
        throw SetupError(fmt::format("{}: cannot use {}: {}; {}", target.text,
                                     describe_nbd_target(target), error, advice(target)));
    }
    if (const auto why = refusal(target, options, (*attempt)->properties); !why.empty()) {
        disconnect_nbd(std::move((*attempt)->handle), real_clock().now() + goodbye_limit);
        throw SetupError(why);
    }
    return std::make_shared<NbdDevice>(target, options, (*attempt)->properties,
                                       std::move((*attempt)->handle));
}

}  // namespace resilience
