// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>

#include "common/replay/log_index.h"

namespace resilience::logreplay {

/// How large the recorded device was, in bytes: what `wanted` says, else the
/// log's superblock, else the base, else as far as the log reaches, in whole
/// blocks of 4096.  Throws SetupError if the log reaches further than that, if
/// the base is not of that size (unless it is wanted so), or if nobody knows.
std::uint64_t device_size(const writelog::LogFile& log, const writelog::LogIndex& index,
                          std::optional<std::uint64_t> base, std::optional<std::uint64_t> wanted);

}  // namespace resilience::logreplay
