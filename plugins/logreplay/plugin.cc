// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/plugin_shim.h"
#include "plugins/logreplay/module.h"

RESILIENCE_REGISTER_PLUGIN(resilience::logreplay::LogreplayModule)
