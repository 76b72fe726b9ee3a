// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/plugin_shim.h"
#include "tests/modules/pass.h"

RESILIENCE_REGISTER_PLUGIN(resilience::PassModule)
