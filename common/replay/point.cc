// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/point.h"
