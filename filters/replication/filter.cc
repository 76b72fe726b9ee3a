// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/filter_shim.h"
#include "filters/replication/module.h"

RESILIENCE_REGISTER_FILTER(resilience::replication::ReplicationModule)
