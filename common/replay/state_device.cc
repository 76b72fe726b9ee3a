// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/state_device.h"
