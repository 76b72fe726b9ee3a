// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a verifier says when it is asked, on the control socket and at its end.

#include <string>
#include <vector>

#include "common/control/command_table.h"
#include "filters/blkverify/verify_device.h"

namespace resilience::blkverify {

/// Adds query-status, query-mismatches and clear-mismatches.  `device` must live
/// as long as the commands can be run.
void add_commands(CommandTable& table, VerifyDevice& device);

/// The final summary, one line each.
std::vector<std::string> summary(VerifyDevice& device);

}  // namespace resilience::blkverify
