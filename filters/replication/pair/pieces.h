// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/device/request.h"

namespace resilience::replication {

/// Zeroes go to the disks in pieces of at most this: a request may be of 4 GiB and
/// holds its range meanwhile, a server can take long for a large one, and some zero
/// less than they were told beyond 64 MiB.
constexpr std::uint64_t largest_zero = 32 << 20;

/// Calls `carry_out(Request&)` for a write as it is, and for a zero or trim piece by
/// piece, until one fails.  A trim becomes a zero that may unmap, so that both sides
/// have the same content.  Returns 0 or the errno value of the piece that failed.
template <typename CarryOut>
int in_pieces(Request& request, CarryOut carry_out)
{
    if (request.op == Op::write) {
        return carry_out(request);
    }
    Request piece = request;
    piece.op = Op::zero;
    piece.flags.may_trim = request.flags.may_trim || request.op == Op::trim;
    while (piece.offset < request.end()) {
        piece.length = std::min(largest_zero, request.end() - piece.offset);
        if (const int error = carry_out(piece)) {
            return error;
        }
        piece.offset += piece.length;
        piece.flags.fast_zero = false;  // something has changed: no way back
    }
    return 0;
}

}  // namespace resilience::replication
