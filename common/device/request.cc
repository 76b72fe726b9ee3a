// SPDX-License-Identifier: BSD-3-Clause
#include "common/device/request.h"

namespace resilience {

std::string_view to_string(Op op)
{
    switch (op) {
    case Op::read: return "read";
    case Op::write: return "write";
    case Op::flush: return "flush";
    case Op::zero: return "zero";
    case Op::trim: return "trim";
    case Op::cache: return "cache";
    case Op::extents: return "extents";
    }
    return "unknown";
}

}  // namespace resilience
