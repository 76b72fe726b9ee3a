// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/log_index.h"
