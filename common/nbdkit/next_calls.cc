// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/next_calls.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "common/device/extents.h"
#include "common/device/pieces.h"

namespace resilience {
namespace {

// nbdkit's own limit for data in one call.
constexpr std::uint64_t max_data = 64 << 20;
// Where a plugin has no efficient zero, nbdkit 1.32 to 1.42.5 zero the first
// 64 MiB of a longer request and report success for all of it.  The same
// nbdkit may be on the far side of a network, so stay clear of the limit.
// Trim, cache and block status have a 32-bit length and no such fault.
constexpr std::uint64_t max_plain = 1 << 30;

struct FreeExtents {
    void operator()(nbdkit_extents* extents) const { nbdkit_extents_free(extents); }
};
using OwnedExtents = std::unique_ptr<nbdkit_extents, FreeExtents>;

/// One call into `next`: `body(&err)` returns -1 for failure.
template <typename Body>
int call(Body body)
{
    int err = 0;
    errno = 0;
    if (body(&err) != -1) {
        return 0;
    }
    // nbdkit keeps what a plugin says by nbdkit_set_error in a record of its
    // own threads.  Our threads have none: there the value goes to errno, and
    // `err` is EIO.  A full disk is the one case that clients treat apart
    // (a virtual machine pauses instead of losing data), so look for it.
    if (err == EIO && (errno == ENOSPC || errno == EDQUOT)) {
        return ENOSPC;
    }
    return err > 0 ? err : EIO;
}

/// Calls `body(offset, count, last)` for pieces of at most `limit` bytes until
/// one fails.
template <typename Body>
int in_pieces(const Request& request, std::uint64_t limit, Body body)
{
    for (std::uint64_t offset = request.offset; offset < request.end();) {
        const auto count =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, request.end() - offset));
        const int error = body(offset, count, offset + count == request.end());
        if (error != 0) {
            return error;
        }
        offset += count;
    }
    return 0;
}

std::uint64_t data_limit(const NextFacts& facts)
{
    const std::uint64_t maximum = facts.limits.maximum;
    return maximum == 0 ? max_data : std::min(max_data, maximum);
}

int flush(nbdkit_next* next, const NextFacts& facts)
{
    if (!facts.capabilities.flush) {
        return 0;
    }
    return call([&](int* err) { return next->flush(next, 0, err); });
}

/// The flags of one piece of a request with FUA.  Where FUA is emulated below,
/// each piece that carries it costs a flush, and the last one's covers all.
std::uint32_t fua_flag(const Request& request, const NextFacts& facts, bool last)
{
    const bool wanted = request.flags.fua && (facts.fua == NBDKIT_FUA_NATIVE ||
                                              (facts.fua == NBDKIT_FUA_EMULATE && last));
    return wanted ? NBDKIT_FLAG_FUA : 0U;
}

/// Ends a request that may have FUA: by a flush, where nothing below has done it.
int finish(nbdkit_next* next, const NextFacts& facts, const Request& request, int error)
{
    if (error != 0 || !request.flags.fua || facts.fua != NBDKIT_FUA_NONE) {
        return error;
    }
    return flush(next, facts);
}

int read(nbdkit_next* next, const NextFacts& facts, Request& request)
{
    return in_pieces(request, data_limit(facts),
                     [&](std::uint64_t offset, std::uint32_t count, bool) {
                         std::byte* to = request.into.data() + (offset - request.offset);
                         return call([&](int* err) {
                             return next->pread(next, to, count, offset, 0, err);
                         });
                     });
}

int write(nbdkit_next* next, const NextFacts& facts, const Request& request)
{
    const int error = in_pieces(
        request, data_limit(facts), [&](std::uint64_t offset, std::uint32_t count, bool last) {
            const std::byte* from = request.from.data() + (offset - request.offset);
            const std::uint32_t flags = fua_flag(request, facts, last);
            return call(
                [&](int* err) { return next->pwrite(next, from, count, offset, flags, err); });
        });
    return finish(next, facts, request, error);
}

int write_zeroes(nbdkit_next* next, const NextFacts& facts, const Request& request)
{
    const std::uint64_t piece = std::min<std::uint64_t>(data_limit(facts), 1 << 20);
    const std::vector<std::byte> zeroes(std::min(piece, request.length));
    const int error =
        in_pieces(request, piece, [&](std::uint64_t offset, std::uint32_t count, bool last) {
            const std::uint32_t flags = fua_flag(request, facts, last);
            return call([&](int* err) {
                return next->pwrite(next, zeroes.data(), count, offset, flags, err);
            });
        });
    return finish(next, facts, request, error);
}

int zero(nbdkit_next* next, const NextFacts& facts, const Request& request)
{
    if (request.flags.fast_zero && !facts.capabilities.fast_zero) {
        return ENOTSUP;
    }
    if (facts.zero == NBDKIT_ZERO_NONE) {
        return write_zeroes(next, facts, request);
    }
    const std::uint32_t trim = request.flags.may_trim ? NBDKIT_FLAG_MAY_TRIM : 0U;
    // ENOTSUP promises that nothing was changed: so it can only be the answer
    // of the first piece, and the others are no longer asked to be fast.
    std::uint32_t fast = request.flags.fast_zero ? NBDKIT_FLAG_FAST_ZERO : 0U;
    const int error =
        in_pieces(request, largest_zero, [&](std::uint64_t offset, std::uint32_t count, bool last) {
            const std::uint32_t flags = trim | fast | fua_flag(request, facts, last);
            int result =
                call([&](int* err) { return next->zero(next, count, offset, flags, err); });
            if (fast == 0 && result == ENOTSUP) {
                result = EIO;
            }
            fast = 0;
            return result;
        });
    return finish(next, facts, request, error);
}

int trim(nbdkit_next* next, const NextFacts& facts, const Request& request)
{
    if (!facts.capabilities.trim) {
        return 0;
    }
    const int error =
        in_pieces(request, max_plain, [&](std::uint64_t offset, std::uint32_t count, bool last) {
            const std::uint32_t flags = fua_flag(request, facts, last);
            return call([&](int* err) { return next->trim(next, count, offset, flags, err); });
        });
    return finish(next, facts, request, error);
}

int cache(nbdkit_next* next, const NextFacts& facts, const Request& request)
{
    if (!facts.capabilities.cache) {
        return 0;  // nbdkit's emulation would read it all into nowhere
    }
    return in_pieces(request, max_plain, [&](std::uint64_t offset, std::uint32_t count, bool) {
        return call([&](int* err) { return next->cache(next, count, offset, 0, err); });
    });
}

/// Adds what `answer` says of [offset, offset + count), and no more than that:
/// a plugin may describe more than it was asked about.  Returns false if it
/// says nothing of `offset`.
bool append_clipped(ExtentList& list, const nbdkit_extents* answer, std::uint64_t offset,
                    std::uint32_t count)
{
    const std::uint64_t end = offset + count;
    std::uint64_t position = offset;
    for (std::size_t i = 0; i < nbdkit_extents_count(answer) && position < end; ++i) {
        const nbdkit_extent each = nbdkit_get_extent(answer, i);
        const std::uint64_t stop = std::min(each.offset + each.length, end);
        if (each.offset > position || stop <= position) {
            continue;
        }
        append_extent(list, {stop - position, (each.type & NBDKIT_EXTENT_HOLE) != 0,
                      (each.type & NBDKIT_EXTENT_ZERO) != 0});
        position = stop;
    }
    return position > offset;
}

int extents(nbdkit_next* next, const NextFacts& facts, Request& request)
{
    request.extents.clear();
    if (!facts.capabilities.extents) {
        request.extents.push_back({request.length, false, false});
        return 0;
    }
    return in_pieces(request, max_plain, [&](std::uint64_t offset, std::uint32_t count, bool) {
        if (request.flags.one_extent && offset > request.offset) {
            return 0;
        }
        OwnedExtents answer;
        const int error = call([&](int* err) {
            if (!request.flags.one_extent) {
                answer.reset(nbdkit_extents_full(next, count, offset, 0, err));
                return answer ? 0 : -1;
            }
            answer.reset(nbdkit_extents_new(offset, offset + count));
            if (!answer) {
                *err = ENOMEM;
                return -1;
            }
            return next->extents(next, count, offset, NBDKIT_FLAG_REQ_ONE, answer.get(), err);
        });
        if (error != 0) {
            return error;
        }
        return append_clipped(request.extents, answer.get(), offset, count) ? 0 : EIO;
    });
}

}  // namespace

bool learn(nbdkit_next* next, NextFacts& facts) noexcept
{
    bool ok = true;
    const auto ask = [&](int answer) {
        ok = ok && answer != -1;
        return answer;
    };
    const std::int64_t size = next->get_size(next);
    if (size < 0) {
        return false;
    }
    facts.size = static_cast<std::uint64_t>(size);

    Capabilities& c = facts.capabilities;
    c.writable = ask(next->can_write(next)) == 1;
    c.flush = ask(next->can_flush(next)) == 1;
    c.rotational = ask(next->is_rotational(next)) == 1;
    c.trim = ask(next->can_trim(next)) == 1;
    facts.zero = ask(next->can_zero(next));
    c.zero = facts.zero == NBDKIT_ZERO_NATIVE;
    c.fast_zero = ask(next->can_fast_zero(next)) == 1;
    c.extents = ask(next->can_extents(next)) == 1;
    facts.fua = ask(next->can_fua(next));
    c.fua = facts.fua == NBDKIT_FUA_NATIVE;
    c.multi_conn = ask(next->can_multi_conn(next)) == 1;
    c.cache = ask(next->can_cache(next)) == NBDKIT_CACHE_NATIVE;

    BlockLimits& l = facts.limits;
    ask(next->block_size(next, &l.minimum, &l.preferred, &l.maximum));
    if (l.minimum == 0) {
        l.minimum = 1;  // nbdkit's "nothing known"
    }
    return ok;
}

int carry_out(nbdkit_next* next, const NextFacts& facts, Request& request)
{
    if (request.op == Op::flush) {
        return flush(next, facts);
    }
    if (request.offset > facts.size || request.length > facts.size - request.offset) {
        return request.op == Op::write || request.op == Op::zero ? ENOSPC : EINVAL;
    }
    if (modifies(request.op) && !facts.capabilities.writable) {
        return EROFS;
    }
    switch (request.op) {
    case Op::read:
        return read(next, facts, request);
    case Op::write:
        return write(next, facts, request);
    case Op::zero:
        return zero(next, facts, request);
    case Op::trim:
        return trim(next, facts, request);
    case Op::cache:
        return cache(next, facts, request);
    case Op::extents:
        return extents(next, facts, request);
    case Op::flush:
        break;
    }
    return EINVAL;
}

}  // namespace resilience
