// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/plugin_shim.h"
#include "filters/copy-on-read/module.h"

RESILIENCE_REGISTER_PLUGIN(resilience::cor::CorModule)
