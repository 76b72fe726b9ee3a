// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/nbd_operation.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/device/extents.h"

namespace resilience {

namespace {

constexpr std::uint64_t mebibyte = 1024 * 1024;

// What every server takes in one read or write, even if it names no maximum;
// qemu-nbd refuses more, for cache as well.
constexpr std::uint64_t payload_limit = 32 * mebibyte;
// nbdkit up to 1.44 zeroes only the first 64 MiB of a larger request when its
// plugin cannot zero, and reports success.
constexpr std::uint64_t zero_limit = 32 * mebibyte;
constexpr std::uint64_t trim_limit = 1024 * mebibyte;
// nbdkit 1.32 aborts when it is asked for 0xffffffff bytes inside an extent of
// 4 GiB or more.
constexpr std::uint64_t extents_limit = 1024 * mebibyte;

// What zeroes are written from.  Never written itself, so it stays one page of
// the kernel's zeroes, however often it is mapped.
alignas(4096) std::array<std::byte, mebibyte> zeroes;

constexpr std::uint32_t state_hole = 1;  // NBD_STATE_HOLE of base:allocation
constexpr std::uint32_t state_zero = 2;  // NBD_STATE_ZERO

}  // namespace

NbdOperation::NbdOperation(std::shared_ptr<Request> request, Completion done)
    : request_(std::move(request)), done_(std::move(done))
{
}

bool NbdOperation::begin(const NbdProperties& server)
{
    Request& r = *request_;
    switch (r.op) {
    case Op::read:
        break;
    case Op::write:
        flush_last_ = r.flags.fua && !server.fua && server.flush;
        break;
    case Op::flush:
        flush_last_ = server.flush;
        break;
    case Op::zero:
        if (r.flags.fast_zero && !server.fast_zero) {
            answer(ENOTSUP);
            return false;
        }
        write_zeroes_ = !server.zero;
        flush_last_ = r.flags.fua && !server.fua && server.flush;
        break;
    case Op::trim:
        if (!server.trim) {
            return false;
        }
        flush_last_ = r.flags.fua && !server.fua && server.flush;
        break;
    case Op::cache:
        if (!server.cache) {
            return false;
        }
        break;
    case Op::extents:
        r.extents.clear();
        if (r.flags.allocation_depth && !server.allocation_depth) {
            answer(ENOTSUP);
            return false;
        }
        if (!r.flags.allocation_depth && !server.extents) {
            r.extents.push_back({.length = r.length});
            return false;
        }
        break;
    }
    return plan(server);
}

std::uint64_t NbdOperation::piece_limit(const NbdProperties& server) const
{
    const BlockLimits& blocks = server.blocks;
    std::uint64_t limit = payload_limit;
    switch (request_->op) {
    case Op::extents: return extents_limit;
    case Op::trim: return trim_limit;
    case Op::zero:
        if (!write_zeroes_) {
            return zero_limit;
        }
        limit = zeroes.size();
        break;
    default: break;
    }
    if (blocks.maximum != 0) {
        limit = std::min<std::uint64_t>(limit, blocks.maximum);
    }
    // All pieces but the last must end on a block.
    return std::max<std::uint64_t>(limit - limit % blocks.minimum, blocks.minimum);
}

bool NbdOperation::plan(const NbdProperties& server)
{
    const Request& r = *request_;
    covered_bytes_ = 0;
    if (done_bytes_ < r.length && r.op != Op::flush) {
        command_ = {.op = r.op,
                    .offset = r.offset + done_bytes_,
                    .length = std::min(r.length - done_bytes_, piece_limit(server))};
        answered_ = false;
        command_.fua = r.flags.fua && server.fua && modifies(r.op);
        command_.one_extent = r.flags.one_extent && r.op == Op::extents;
        if (r.op == Op::zero) {
            if (write_zeroes_) {
                command_.op = Op::write;
            } else {
                command_.no_hole = !r.flags.may_trim;
                // "Nothing changed" cannot be said any more after the first piece.
                command_.fast_zero = r.flags.fast_zero && done_bytes_ == 0;
            }
        }
        return true;
    }
    if (flush_last_) {
        flush_last_ = false;
        answered_ = false;
        command_ = {.op = Op::flush};
        return true;
    }
    return false;
}

std::byte* NbdOperation::read_buffer() const
{
    return request_->into.data() + done_bytes_;
}

const std::byte* NbdOperation::write_buffer() const
{
    return request_->op == Op::zero ? zeroes.data() : request_->from.data() + done_bytes_;
}

void NbdOperation::append_extent(std::uint64_t length, std::uint32_t flags)
{
    Extent extent{.length = length};
    if (request_->flags.allocation_depth) {
        extent.depth = flags;
    } else {
        extent.hole = (flags & state_hole) != 0;
        extent.zero = (flags & state_zero) != 0;
    }
    resilience::append_extent(request_->extents, extent);
}

void NbdOperation::add_extents(std::string_view context, std::uint64_t offset,
                               std::span<const std::uint32_t> entries)
{
    if (context != (request_->flags.allocation_depth ? depth_context : allocation_context)) {
        return;
    }
    if (offset != command_.offset || covered_bytes_ != 0) {
        error_ = EIO;  // an answer to another question
        return;
    }
    for (std::size_t i = 0; i + 1 < entries.size(); i += 2) {
        if (entries[i] == 0) {
            error_ = EIO;  // no progress: asking on would never end
            return;
        }
        // The last one may go beyond what was asked.
        const std::uint64_t length =
            std::min<std::uint64_t>(entries[i], command_.length - covered_bytes_);
        if (length == 0) {
            return;
        }
        append_extent(length, entries[i + 1]);
        covered_bytes_ += length;
    }
}

void NbdOperation::answer(int error)
{
    answered_ = true;
    if (error != 0) {
        error_ = error;
    }
}

void NbdOperation::no_answer(int error)
{
    answered_ = false;
    error_ = error;
}

bool NbdOperation::go_on(const NbdProperties& server)
{
    const Request& r = *request_;
    if (error_ == ENOTSUP && command_.op == Op::zero && !command_.fast_zero) {
        // The server said that it can, and then its disk could not.
        error_ = 0;
        write_zeroes_ = true;
        return plan(server);
    }
    if (error_ != 0) {
        return false;
    }
    if (command_.op == Op::extents) {
        if (covered_bytes_ == 0) {
            error_ = EIO;  // a success that tells nothing
            return false;
        }
        done_bytes_ += covered_bytes_;
        if (r.flags.one_extent) {
            return false;
        }
    } else if (command_.op != Op::flush) {
        done_bytes_ += command_.length;
    }
    return plan(server);
}

void NbdOperation::finish()
{
    if (error_ != 0) {
        request_->extents.clear();
    }
    done_(error_);
}

}  // namespace resilience
