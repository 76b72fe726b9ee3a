// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/side.h"

namespace resilience::replication {

std::unique_ptr<Side> make_secondary(const Options& options, EventBus& events)
{
    (void)options;
    (void)events;
    throw SetupError("replication-mode=secondary: this build has no secondary side");
}

}  // namespace resilience::replication
