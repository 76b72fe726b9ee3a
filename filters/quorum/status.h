// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How a quorum is: what query-status, query-children and query-resync say.

#include "common/control/json_fwd.h"
#include "filters/quorum/quorum_device.h"
#include "filters/quorum/verdict.h"

namespace resilience::quorum {

/// What is known now; of no certain moment while requests are in flight.
Facts facts_of(const QuorumDevice& quorum);

Json query_status(const QuorumDevice& quorum);
Json query_children(const QuorumDevice& quorum);
Json query_resync(const QuorumDevice& quorum);

}  // namespace resilience::quorum
