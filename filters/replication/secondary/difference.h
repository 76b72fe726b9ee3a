// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the other side lacks after a failover, for failback: its disk is as at
// the last checkpoint but for what it wrote since then (in hidden, as far as it
// arrived here; the rest is in its own change map), and this one is going to be
// as at the last checkpoint but for active, and what is written from now on.

#include <cstddef>
#include <cstdint>
#include <span>

#include "filters/replication/secondary/core.h"

namespace resilience::replication {

/// Bytes per bit of a change map.
constexpr std::uint32_t difference_granularity = 64 << 10;

/// Before a failover, under lock_all(): the change map says durably what is in
/// active and hidden, and nothing else; everything, if there was no checkpoint.
/// 0 or a positive errno.
int note_difference(Core& core);

/// Part of a change map as it is on the wire, from byte `offset` of it on.
void read_changes(const ChangeMap& map, std::uint64_t offset, std::span<std::byte> into);

}  // namespace resilience::replication
