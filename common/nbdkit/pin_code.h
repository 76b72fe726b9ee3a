// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace resilience {

/// Keeps the code of every module and library that is loaded now in memory
/// until the process ends, whatever dlclose() is called.
///
/// nbdkit unloads plugins and filters on its way out.  A thread that was left
/// behind inside one of them would wake up in pages that are gone, and turn a
/// clean exit into a crash.
void pin_code() noexcept;

}  // namespace resilience
