// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace resilience {

/// The version of this collection.  A filter has no version of its own in
/// nbdkit (it shows the server's), so the shims put this one into the
/// description and into --dump-plugin.
#ifdef PACKAGE_VERSION
inline constexpr const char* collection_version = PACKAGE_VERSION;
#else
inline constexpr const char* collection_version = "unknown";
#endif

}  // namespace resilience
