// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "common/device/buffer_pool.h"

namespace resilience {

/// A read of a device that has not been started, for who has to know what it holds before
/// anything is decided (there are no threads then, since a server may yet fork).
struct EarlyRead {
    std::uint64_t offset = 0;  ///< bytes
    Buffer content;            ///< of the length that is read
    int error = 0;
};

}  // namespace resilience
