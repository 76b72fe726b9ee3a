// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/content_map.h"
