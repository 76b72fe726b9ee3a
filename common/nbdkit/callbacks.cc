// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/callbacks.h"

#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <nbdkit-filter.h>

#include "common/core/errno_map.h"
#include "common/core/log.h"

namespace resilience::shim {
namespace {

/// Where nbdkit's errors go, which it tells nobody: what its command line says
/// with --log, else syslog if it has gone to the background (which the child of
/// --run has not, though it is a child too), else stderr.
struct LogPlace {
    std::string log;    ///< the value of --log; empty without
    bool run = false;   ///< --run was given
    pid_t started = 0;  ///< the process that read the command line

    bool is_null() const noexcept { return log == "null"; }
    bool is_syslog() const noexcept
    {
        return log.empty() ? !run && getpid() != started : log == "syslog";
    }
};

LogPlace log_place;  // set once, before threads exist

LogPlace find_log_place()
{
    LogPlace place;
    place.started = getpid();
    std::ifstream arguments("/proc/self/cmdline");
    const std::string_view option = "--log=";
    for (std::string argument; std::getline(arguments, argument, '\0') && argument != "--";) {
        if (argument.starts_with(option)) {
            place.log = argument.substr(option.size());
        } else if (argument == "--log") {
            std::getline(arguments, place.log, '\0');
        } else if (argument == "--run" || argument.starts_with("--run=")) {
            place.run = true;
        }
    }
    return place;
}

/// nbdkit has nothing between an error and what only -v shows; this goes where
/// its errors go, without the word "error".
void write_news(int priority, const char* prefix, const std::string& text) noexcept
{
    if (log_place.is_null()) {
        return;
    }
    if (log_place.is_syslog()) {
        syslog(LOG_DAEMON | priority, "%s%s", prefix, text.c_str());
    } else {
        std::fprintf(stderr, "nbdkit: %s%s\n", prefix, text.c_str());
    }
}

// Never format a text of ours: it may hold a '%' from a path.
void to_nbdkit(log::Level level, const std::string& text) noexcept
{
    switch (level) {
    case log::Level::error:
        nbdkit_error("%s", text.c_str());
        break;
    case log::Level::warning:
        write_news(LOG_WARNING, "warning: ", text);
        break;
    case log::Level::notice:
        write_news(LOG_NOTICE, "", text);
        break;
    case log::Level::debug:
        nbdkit_debug("%s", text.c_str());
        break;
    }
}

/// Calls `body`, which returns 0 or an errno; anything thrown becomes one.
template <typename Body>
int guarded(const char* what, NotSupported not_supported, Body body) noexcept
{
    int error = EIO;
    try {
        error = body();
    } catch (const std::bad_alloc&) {
        nbdkit_error("%s: out of memory", what);
        error = ENOMEM;
    } catch (const std::exception& e) {
        nbdkit_error("%s: unexpected exception: %s", what, e.what());
    } catch (...) {
        nbdkit_error("%s: unexpected exception of unknown type", what);
    }
    return error == 0 ? 0 : nbd_errno(error, not_supported);
}

Request make_request(Op op, std::uint64_t offset, std::uint32_t count, std::uint32_t flags = 0)
{
    Request request;
    request.op = op;
    request.offset = offset;
    request.length = count;
    request.flags.fua = (flags & NBDKIT_FLAG_FUA) != 0;
    request.flags.may_trim = (flags & NBDKIT_FLAG_MAY_TRIM) != 0;
    request.flags.fast_zero = (flags & NBDKIT_FLAG_FAST_ZERO) != 0;
    request.flags.one_extent = (flags & NBDKIT_FLAG_REQ_ONE) != 0;
    return request;
}

int execute(const Connection& c, Request& request) noexcept
{
    // nbdkit refuses writes to a read-only export by itself, but a filter
    // above us need not have asked.
    if (c.read_only && modifies(request.op)) {
        return EPERM;
    }
    const auto not_supported = request.op == Op::zero && request.flags.fast_zero
                                   ? NotSupported::is_an_answer
                                   : NotSupported::is_an_error;
    return guarded(to_string(request.op).data(), not_supported,
                   [&] { return c.device->execute(request); });
}

/// Hands a device's extents to nbdkit.  An engine's mistake ends here: an
/// extent that runs past the request aborts nbdkit 1.32, an answer with
/// nothing in it aborts all of them.
int give_extents(const Request& request, nbdkit_extents* answer)
{
    std::uint64_t offset = request.offset;
    for (const Extent& extent : request.extents) {
        const std::uint64_t length = std::min(extent.length, request.end() - offset);
        if (length == 0) {
            break;
        }
        const std::uint32_t type = (extent.hole ? NBDKIT_EXTENT_HOLE : 0U) |
                                   (extent.zero ? NBDKIT_EXTENT_ZERO : 0U);
        if (nbdkit_add_extent(answer, offset, length, type) == -1) {
            return errno != 0 ? errno : EIO;
        }
        offset += length;
        if (request.flags.one_extent) {
            break;
        }
    }
    if (offset == request.offset) {
        nbdkit_error("extents: the device gave none");
        return EIO;
    }
    return 0;
}

}  // namespace

Connection connect(std::shared_ptr<Device> device, bool read_only)
{
    Connection connection;
    connection.capabilities = device->capabilities();
    connection.read_only = read_only || !connection.capabilities.writable;
    connection.device = std::move(device);
    return connection;
}

int list_exports(const Module& module, nbdkit_exports* exports) noexcept
{
    return set_up("list_exports", [&] {
        for (const Export& each : module.exports()) {
            const char* description =
                each.description.empty() ? nullptr : each.description.c_str();
            if (nbdkit_add_export(exports, each.name.c_str(), description) == -1) {
                throw std::bad_alloc();
            }
        }
    });
}

void install_log_sink() noexcept
{
    log::set_sink(to_nbdkit);
    try {
        log_place = find_log_place();
    } catch (const std::exception&) {  // stderr it is
        log_place = {};
        log_place.log = "stderr";
    }
}

int set_up(const char* where, const std::function<void()>& step) noexcept
{
    try {
        step();
        return 0;
    } catch (const SetupError& e) {
        nbdkit_error("%s", e.what());
    } catch (const std::bad_alloc&) {
        nbdkit_error("%s: out of memory", where);
    } catch (const std::exception& e) {
        nbdkit_error("%s: unexpected exception: %s", where, e.what());
    } catch (...) {
        nbdkit_error("%s: unexpected exception of unknown type", where);
    }
    return -1;
}

std::int64_t get_size(const Connection& c) noexcept
{
    try {
        const std::uint64_t size = c.device->size();
        if (size <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            return static_cast<std::int64_t>(size);
        }
        nbdkit_error("get_size: %llu bytes are more than NBD can carry",
                     static_cast<unsigned long long>(size));
    } catch (const std::exception& e) {
        nbdkit_error("get_size: unexpected exception: %s", e.what());
    } catch (...) {
        nbdkit_error("get_size: unexpected exception of unknown type");
    }
    return -1;
}

int can_write(const Connection& c) noexcept { return c.read_only ? 0 : 1; }
int can_flush(const Connection& c) noexcept { return c.capabilities.flush ? 1 : 0; }
int can_trim(const Connection& c) noexcept { return !c.read_only && c.capabilities.trim ? 1 : 0; }

// Native even when the device writes zeroes itself: what it does is at least
// as good as what the server would do in its place.
int can_zero(const Connection& c) noexcept
{
    return c.read_only ? NBDKIT_ZERO_NONE : NBDKIT_ZERO_NATIVE;
}

int can_fast_zero(const Connection& c) noexcept
{
    return !c.read_only && c.capabilities.fast_zero ? 1 : 0;
}

int can_extents(const Connection& c) noexcept { return c.capabilities.extents ? 1 : 0; }

// Devices emulate FUA by a flush; one that cannot even flush has nothing to
// make durable, and must not promise it.
int can_fua(const Connection& c) noexcept
{
    const bool able = c.capabilities.fua || c.capabilities.flush;
    return !c.read_only && able ? NBDKIT_FUA_NATIVE : NBDKIT_FUA_NONE;
}

int can_multi_conn(const Connection& c) noexcept { return c.capabilities.multi_conn ? 1 : 0; }

int can_cache(const Connection& c) noexcept
{
    return c.capabilities.cache ? NBDKIT_CACHE_NATIVE : NBDKIT_CACHE_NONE;
}

int is_rotational(const Connection& c) noexcept { return c.capabilities.rotational ? 1 : 0; }

BlockLimits block_size(const Connection& c) noexcept
{
    constexpr std::uint32_t largest_minimum = 64 << 10;
    constexpr std::uint32_t smallest_preferred = 512;
    constexpr std::uint32_t largest_preferred = 32 << 20;

    BlockLimits limits;
    try {
        limits = c.device->block_limits();
    } catch (...) {
        return {0, 0, 0};  // no limit is known: always a true statement
    }
    if (limits.minimum <= 1 && limits.preferred == 0 && limits.maximum == 0) {
        return {0, 0, 0};
    }
    const auto up = [](std::uint32_t value, std::uint32_t limit) {
        return value >= limit ? limit : std::bit_ceil(std::max<std::uint32_t>(value, 1));
    };
    BlockLimits valid;
    valid.minimum = up(limits.minimum, largest_minimum);
    valid.preferred = std::max({up(limits.preferred != 0 ? limits.preferred : 4096,
                                   largest_preferred),
                                valid.minimum, smallest_preferred});
    valid.maximum = std::numeric_limits<std::uint32_t>::max();
    if (limits.maximum != 0 && limits.maximum != valid.maximum) {
        valid.maximum = std::max(limits.maximum / valid.minimum * valid.minimum, valid.preferred);
    }
    return valid;
}

int read(const Connection& c, void* buffer, std::uint32_t count, std::uint64_t offset) noexcept
{
    Request request = make_request(Op::read, offset, count);
    request.into = {static_cast<std::byte*>(buffer), count};
    return execute(c, request);
}

int write(const Connection& c, const void* buffer, std::uint32_t count, std::uint64_t offset,
          std::uint32_t flags) noexcept
{
    Request request = make_request(Op::write, offset, count, flags);
    request.from = {static_cast<const std::byte*>(buffer), count};
    return execute(c, request);
}

int flush(const Connection& c) noexcept
{
    Request request = make_request(Op::flush, 0, 0);
    return execute(c, request);
}

int trim(const Connection& c, std::uint32_t count, std::uint64_t offset,
         std::uint32_t flags) noexcept
{
    Request request = make_request(Op::trim, offset, count, flags);
    return execute(c, request);
}

int zero(const Connection& c, std::uint32_t count, std::uint64_t offset,
         std::uint32_t flags) noexcept
{
    Request request = make_request(Op::zero, offset, count, flags);
    return execute(c, request);
}

int cache(const Connection& c, std::uint32_t count, std::uint64_t offset) noexcept
{
    Request request = make_request(Op::cache, offset, count);
    return execute(c, request);
}

int extents(const Connection& c, std::uint32_t count, std::uint64_t offset, std::uint32_t flags,
            nbdkit_extents* answer) noexcept
{
    Request request = make_request(Op::extents, offset, count, flags);
    const int error = execute(c, request);
    if (error != 0) {
        return error;
    }
    return guarded("extents", NotSupported::is_an_error,
                   [&] { return give_extents(request, answer); });
}

}  // namespace resilience::shim
