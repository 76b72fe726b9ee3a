// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace resilience::blkverify {

/// What happens when the two sides differ, and when the reference is lost.
enum class OnMismatch : std::uint8_t {
    exit,    ///< the server ends with status 1, as QEMU does
    error,   ///< the client's request fails with EIO
    report,  ///< the client gets what the device under test gave; the rest is told
};

std::string_view to_string(OnMismatch mode);

/// Parameter names are these with "blkverify-" before them and '-' for '_'.
struct Options {
    std::string name = "blkverify";  ///< what events and the log call it
    OnMismatch on_mismatch = OnMismatch::exit;
    double sample = 1;       ///< the share of reads that are compared, 0 to 1
    bool read_only = false;  ///< the reference is opened read-only, and so is the export
    std::chrono::milliseconds timeout{10000};  ///< how long the reference may take
};

}  // namespace resilience::blkverify
