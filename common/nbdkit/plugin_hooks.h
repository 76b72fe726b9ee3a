// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace resilience {

/// Whether the plugin of this server has an `.after_fork` callback.
///
/// Some plugins can only be opened once it has been called: those that make
/// their connections or threads there (nbdkit's `nbd shared=true`, newer `curl`).
/// A filter has no way to ask nbdkit for that call, but the plugin's own
/// description can be had from its symbol, and its layout never changes.
bool plugin_has_after_fork() noexcept;

/// Calls it; returns false if it fails.  Only in a process of its own that
/// serves nobody: nbdkit itself calls it, once, in the one that serves.
bool plugin_after_fork() noexcept;

}  // namespace resilience
