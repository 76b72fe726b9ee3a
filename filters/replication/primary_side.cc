// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/side.h"

namespace resilience::replication {

std::unique_ptr<Side> make_primary(const Options& options, EventBus& events)
{
    (void)options;
    (void)events;
    throw SetupError("replication-mode=primary: this build has no primary side");
}

}  // namespace resilience::replication
