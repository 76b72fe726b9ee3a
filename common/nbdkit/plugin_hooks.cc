// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/plugin_hooks.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <dlfcn.h>

#include <cstddef>

namespace resilience {
namespace {

using AfterFork = decltype(nbdkit_plugin::after_fork);

// nbdkit loads modules into the global scope, and there is one plugin.
const nbdkit_plugin* the_plugin() noexcept
{
    auto init = reinterpret_cast<nbdkit_plugin* (*)()>(dlsym(RTLD_DEFAULT, "plugin_init"));
    return init == nullptr ? nullptr : init();
}

AfterFork after_fork_of_plugin() noexcept
{
    const nbdkit_plugin* plugin = the_plugin();
    // A plugin built for an older nbdkit has a shorter struct.
    constexpr std::size_t needed = offsetof(nbdkit_plugin, after_fork) + sizeof(AfterFork);
    return plugin == nullptr || plugin->_struct_size < needed ? nullptr : plugin->after_fork;
}

#define STRING_OF(symbol) #symbol
#define NAME_OF(symbol) STRING_OF(symbol)
/// Null if the plugin is none of ours.
auto no_client_of_plugin() noexcept
{
    return reinterpret_cast<bool& (*)()>(dlsym(RTLD_DEFAULT, NAME_OF(RESILIENCE_NO_CLIENT)));
}

void say_no_client(bool none) noexcept
{
    if (const auto no_client = no_client_of_plugin()) {
        no_client() = none;
    }
}

std::string text(const char* string) { return string == nullptr ? "" : string; }

}  // namespace

std::string plugin_name()
{
    const nbdkit_plugin* plugin = the_plugin();
    return plugin == nullptr ? "" : text(plugin->name);
}

std::string plugin_magic_key()
{
    const nbdkit_plugin* plugin = the_plugin();
    constexpr std::size_t needed =
        offsetof(nbdkit_plugin, magic_config_key) + sizeof(nbdkit_plugin::magic_config_key);
    return plugin == nullptr || plugin->_struct_size < needed ? "" : text(plugin->magic_config_key);
}

bool plugin_needs_after_fork() noexcept
{
    return no_client_of_plugin() == nullptr && after_fork_of_plugin() != nullptr;
}

bool plugin_after_fork() noexcept
{
    const AfterFork after_fork = after_fork_of_plugin();
    return after_fork == nullptr || after_fork() == 0;
}

NoClientScope::NoClientScope() noexcept { say_no_client(true); }
NoClientScope::~NoClientScope() { say_no_client(false); }

}  // namespace resilience
