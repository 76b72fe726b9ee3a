// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/plugin_hooks.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <dlfcn.h>

#include <cstddef>

namespace resilience {
namespace {

using AfterFork = decltype(nbdkit_plugin::after_fork);

AfterFork after_fork_of_plugin() noexcept
{
    // nbdkit loads modules into the global scope, and there is one plugin.
    auto init = reinterpret_cast<nbdkit_plugin* (*)()>(dlsym(RTLD_DEFAULT, "plugin_init"));
    const nbdkit_plugin* plugin = init == nullptr ? nullptr : init();
    // A plugin built for an older nbdkit has a shorter struct.
    constexpr std::size_t needed = offsetof(nbdkit_plugin, after_fork) + sizeof(AfterFork);
    return plugin == nullptr || plugin->_struct_size < needed ? nullptr : plugin->after_fork;
}

}  // namespace

bool plugin_has_after_fork() noexcept { return after_fork_of_plugin() != nullptr; }

bool plugin_after_fork() noexcept
{
    const AfterFork after_fork = after_fork_of_plugin();
    return after_fork == nullptr || after_fork() == 0;
}

}  // namespace resilience
