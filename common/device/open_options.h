// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <string>

namespace resilience {

/// How a device is opened and used.
struct OpenOptions {
    bool writable = true;     ///< false: opened read-only
    bool direct = false;      ///< cache=none: files with O_DIRECT, past the page cache
    /// NBD: ask for qemu:allocation-depth too, and be refused without it.
    bool allocation_depth = false;
    bool lock = true;         ///< files: take the advisory locks that QEMU's tools respect
    /// How long opening may take, and how long the device's own waits may be.
    std::chrono::milliseconds timeout{10000};
    /// How people ask for `writable` to be false, for messages: "NAME-read-only=true".
    /// Empty: there is no way (nbdkit -r makes only the export read-only).
    std::string read_only_by = {};
};

}  // namespace resilience
