// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What need not be on the medium when a crash ends a log after some of its entries:
// which of them a state of the device (point.h) may lack.
//
// What changes content is durable once it was FUA, or once a flush behind it is
// answered.  A flush or FUA write that nothing in the state was issued after may
// still be in flight: a FUA write at the end of the state, or, if the log says when
// requests were issued and completed (our extension), those that overlap with all
// that stands behind them.

#include <cstdint>
#include <vector>

#include "common/replay/log_index.h"

namespace resilience::writelog {

/// The entries among the first `entries` that need not be on the medium then:
/// those that change content and are neither FUA nor covered by a flush that
/// stands behind them: one that was issued after they were completed, which is
/// each, unless the log's extension says otherwise.
std::vector<std::uint64_t> volatile_entries(const LogIndex& index, std::uint64_t entries);

/// Further ones that need not be there, because the FUA write or the flush that
/// would make them durable may itself be in flight then.  Without the extension
/// that is the last entry, if it is a FUA write.
std::vector<std::uint64_t> in_flight_entries(const LogIndex& index, std::uint64_t entries);

}  // namespace resilience::writelog
