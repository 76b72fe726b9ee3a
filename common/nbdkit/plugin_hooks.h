// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a filter can learn of the plugin of its server past nbdkit, which tells
// it nothing: from the plugin's own description, which can be had from its
// symbol and whose layout never changes.

#include <string>

namespace resilience {

/// As in `nbdkit NAME`; empty if there is no way to know.
std::string plugin_name();

/// The key of words without one, `file` in `nbdkit file disk.img`; or empty.
std::string plugin_magic_key();

/// Whether the plugin can perhaps only be opened once its `.after_fork` has
/// been called, as those that make their connections or threads there (nbdkit's
/// `nbd shared=true`, newer `curl`).  Not ours: they can be asked what they are
/// before it (Module::preview), and have effects in it that nobody wants twice.
bool plugin_needs_after_fork() noexcept;

/// Calls it; returns false if it fails.  Only in a process of its own that
/// serves nobody: nbdkit itself calls it, once, in the one that serves.
bool plugin_after_fork() noexcept;

/// Each plugin of ours exports a function of this name: a reference to whether
/// the calling thread opens it without a client.  It cannot find out by itself:
/// to ask nbdkit for the export name is an error in such a thread.
#define RESILIENCE_NO_CLIENT resilience_no_client

/// Around nbdkit_next_context_open() in a thread that serves no client.
class NoClientScope {
public:
    NoClientScope() noexcept;
    NoClientScope(const NoClientScope&) = delete;
    NoClientScope& operator=(const NoClientScope&) = delete;
    ~NoClientScope();
};

}  // namespace resilience
