// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/options.h"

namespace resilience::blkverify {

std::string_view to_string(OnMismatch mode)
{
    switch (mode) {
    case OnMismatch::exit: return "exit";
    case OnMismatch::error: return "error";
    case OnMismatch::report: return "report";
    }
    return "unknown";
}

}  // namespace resilience::blkverify
