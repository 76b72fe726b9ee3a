// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A Module as an nbdkit plugin: PluginShim<M> fills `struct nbdkit_plugin`
// with callbacks that call M's module (see module.h for what M is).  The
// plugin ABI is stable, so unlike a filter this works with any nbdkit that is
// not older than the headers.
//
// Include it before any other header of nbdkit: the API version is chosen by
// a macro.

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "common/core/setup_error.h"
#include "common/nbdkit/callbacks.h"
#include "common/nbdkit/module.h"
#include "common/nbdkit/plugin_hooks.h"
#include "common/nbdkit/version.h"

namespace resilience {

template <typename M>
class PluginShim {
public:
    /// See RESILIENCE_NO_CLIENT.
    static bool& no_client() noexcept
    {
        thread_local bool none = false;
        return none;
    }

    static void init(nbdkit_plugin& p)
    {
        p.name = M::name;
        p.longname = M::longname;
        p.version = collection_version;
        p.description = M::description;
        p.config_help = shim::config_help<M>(Form::plugin);
        if constexpr (requires { M::magic_config_key; }) {
            p.magic_config_key = M::magic_config_key;
        }
        p.errno_is_preserved = 1;
        p.load = load;
        p.unload = unload;
        p.dump_plugin = [] {
            std::printf("%s_version=%s\n", M::name, collection_version);
        };
        p.config = config;
        p.config_complete = config_complete;
        p.get_ready = get_ready;
        p.after_fork = after_fork;
        p.cleanup = cleanup;
        p.list_exports = list_exports;
        p.open = open;
        p.close = close;
        init_connection(p);
        init_requests(p);
    }

private:
    using Handle = shim::Connection;

    struct State {
        std::unique_ptr<Module> module = M::make(Form::plugin);
        shim::Connections<Handle> connections;
    };
    // On the heap, and from load to unload only: a static object's destructor
    // would also run in the processes that merely start the server.
    inline static State* state_ = nullptr;

    static void init_connection(nbdkit_plugin& p)
    {
        p.get_size = [](void* h) noexcept { return shim::get_size(*of(h)); };
        p.block_size = block_size;
        p.can_write = question<shim::can_write>;
        p.can_flush = question<shim::can_flush>;
        p.is_rotational = question<shim::is_rotational>;
        p.can_trim = question<shim::can_trim>;
        // A filter's answer has three values, a plugin's is yes or no.
        p.can_zero = [](void* h) noexcept { return shim::can_zero(*of(h)) != 0 ? 1 : 0; };
        p.can_fast_zero = question<shim::can_fast_zero>;
        p.can_extents = question<shim::can_extents>;
        p.can_fua = question<shim::can_fua>;
        p.can_multi_conn = question<shim::can_multi_conn>;
        p.can_cache = question<shim::can_cache>;
    }

    static void init_requests(nbdkit_plugin& p)
    {
        p.pread = [](void* h, void* buffer, std::uint32_t count, std::uint64_t offset,
                     std::uint32_t) noexcept {
            return result(shim::read(*of(h), buffer, count, offset));
        };
        p.pwrite = [](void* h, const void* buffer, std::uint32_t count, std::uint64_t offset,
                      std::uint32_t flags) noexcept {
            return result(shim::write(*of(h), buffer, count, offset, flags));
        };
        p.flush = [](void* h, std::uint32_t) noexcept { return result(shim::flush(*of(h))); };
        p.trim = [](void* h, std::uint32_t count, std::uint64_t offset,
                    std::uint32_t flags) noexcept {
            return result(shim::trim(*of(h), count, offset, flags));
        };
        p.zero = [](void* h, std::uint32_t count, std::uint64_t offset,
                    std::uint32_t flags) noexcept {
            return result(shim::zero(*of(h), count, offset, flags));
        };
        p.extents = [](void* h, std::uint32_t count, std::uint64_t offset, std::uint32_t flags,
                       nbdkit_extents* answer) noexcept {
            return result(shim::extents(*of(h), count, offset, flags, answer));
        };
        p.cache = [](void* h, std::uint32_t count, std::uint64_t offset, std::uint32_t) noexcept {
            return result(shim::cache(*of(h), count, offset));
        };
    }

    static Handle* of(void* handle) noexcept { return static_cast<Handle*>(handle); }

    template <int (*answer)(const shim::Connection&) noexcept>
    static int question(void* handle) noexcept
    {
        return answer(*of(handle));
    }

    static int result(int error) noexcept
    {
        if (error == 0) {
            return 0;
        }
        nbdkit_set_error(error);
        errno = error;
        return -1;
    }

    static void load() noexcept
    {
        shim::install_log_sink();
        shim::set_up("load", [] { state_ = new State; });
    }

    static void unload() noexcept
    {
        if (state_ != nullptr && !state_->module->control().left_behind()) {
            delete state_;
            state_ = nullptr;
        }
    }

    /// The state; without one, load() has failed and has said why.
    static State& state()
    {
        if (state_ == nullptr) {
            throw SetupError(std::string(M::name) + ": the plugin could not be set up");
        }
        return *state_;
    }

    static int config(const char* key, const char* value) noexcept
    {
        return shim::set_up("config", [&] { state().module->config(key, value); });
    }

    static int config_complete() noexcept
    {
        return shim::set_up("config_complete", [] { state().module->config_complete(); });
    }

    static int get_ready() noexcept
    {
        return shim::set_up("get_ready", [] { state().module->make_ready(nullptr); });
    }

    static int after_fork() noexcept
    {
        return shim::set_up("after_fork", [] { state().module->serve(); });
    }

    static void cleanup() noexcept
    {
        shim::set_up("cleanup", [] { state().module->end(); });
    }

    static void* open(int readonly) noexcept
    {
        Handle* handle = nullptr;
        shim::set_up("open", [&] {
            // Without a client it is a filter that opens us, and gets the default export.
            const char* name = no_client() ? "" : nbdkit_export_name();
            if (name == nullptr) {
                throw SetupError(std::string(M::name) + ": the client has given no export name");
            }
            const Client client = {name, readonly != 0, state().connections.next_number()};
            std::shared_ptr<Device> device = state().module->show(client);
            handle = state().connections.add(shim::connect(std::move(device), readonly != 0));
        });
        return handle;
    }

    static void close(void* handle) noexcept
    {
        if (state_ != nullptr) {  // a filter that was left behind hanging may be late
            state_->connections.remove(of(handle));
        }
    }

    static int list_exports(int, int, nbdkit_exports* exports) noexcept
    {
        return state_ == nullptr ? -1 : shim::list_exports(*state_->module, exports);
    }

    static int block_size(void* handle, std::uint32_t* minimum, std::uint32_t* preferred,
                          std::uint32_t* maximum) noexcept
    {
        const BlockLimits limits = shim::block_size(*of(handle));
        *minimum = limits.minimum;
        *preferred = limits.preferred;
        *maximum = limits.maximum;
        return 0;
    }
};

}  // namespace resilience

/// Makes the shared object that includes this line an nbdkit plugin.
#define RESILIENCE_REGISTER_PLUGIN(M)                                        \
    namespace {                                                              \
    nbdkit_plugin the_plugin;                                                \
    [[maybe_unused]] const bool the_plugin_is_ready =                        \
        (::resilience::PluginShim<M>::init(the_plugin), true);               \
    }                                                                        \
    extern "C" __attribute__((visibility("default"))) bool&                  \
    RESILIENCE_NO_CLIENT() noexcept                                          \
    {                                                                        \
        return ::resilience::PluginShim<M>::no_client();                     \
    }                                                                        \
    NBDKIT_REGISTER_PLUGIN(the_plugin)
