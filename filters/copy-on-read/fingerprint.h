// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>

#include "common/device/device.h"
#include "common/thread/clock.h"

namespace resilience::cor {

/// How much of a device one sample is, in bytes.
std::uint64_t sample_length(const Device& device);

/// Reads samples of `device`, which was started, all at a time, and hashes them.
/// nullopt, with `error` (errno) set, if they cannot be read by `deadline`.
std::optional<std::uint64_t> take_fingerprint(Device& device, TimePoint deadline, int& error);

}  // namespace resilience::cor
