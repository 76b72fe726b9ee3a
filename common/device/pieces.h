// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/device/request.h"

namespace resilience {

/// Zeroes go to devices in pieces of at most this many bytes: a request may be of
/// 4 GiB and holds its range meanwhile, a device that has to write them is not to be
/// taken for one that hangs, and some zero less than they were told beyond 64 MiB.
inline constexpr std::uint64_t largest_zero = 32 << 20;

/// A device may carry out a read or write that is larger in pieces of so many bytes, each
/// answered for itself; see Request::answered_at.
inline constexpr std::uint64_t piece_of_data = 1 << 20;

/// Calls `carry_out(Request&)` for a write as it is, and for a zero or trim piece by
/// piece, until one fails.  A trim becomes a zero that may unmap, because what a trim
/// leaves may differ from one device to the next.  Returns 0 or the errno value of
/// the piece that failed.
template <typename CarryOut>
int in_pieces(const Request& request, CarryOut carry_out)
{
    Request piece = request;
    if (request.op == Op::write) {
        return carry_out(piece);
    }
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

}  // namespace resilience
