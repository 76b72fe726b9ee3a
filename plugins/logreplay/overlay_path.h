// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace resilience::logreplay {

/// The file in `folder` that keeps the overlay of the state `name`:
/// NAME.overlay, where bytes that are special in file names and shells are
/// written as %2F.  Throws SetupError if that is too long for a file name.
std::string overlay_path(const std::string& folder, const std::string& name);

}  // namespace resilience::logreplay
