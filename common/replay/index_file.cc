// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/index_file.h"
