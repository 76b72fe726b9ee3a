// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/filter_shim.h"
#include "tests/modules/pass.h"

RESILIENCE_REGISTER_FILTER(resilience::PassModule)
