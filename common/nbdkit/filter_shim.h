// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A Module as an nbdkit filter: FilterShim<M> fills `struct nbdkit_filter`
// with callbacks that call M's module (see module.h for what M is).
//
// Two things shape it.  `struct nbdkit_filter` differs between nbdkit's
// versions, so a zero-initialised struct is filled member by member, with a
// `requires` test for members that not all of them have.  And when the module
// uses `next` through one shared context, a client's connection does not open
// anything below, so nbdkit hands a null `next` to every callback; the default
// of a callback that is left out would follow that pointer.  So all of them
// are here.

#include <cstdio>
#include <string>

#include <nbdkit-filter.h>

#include "common/core/setup_error.h"
#include "common/nbdkit/callbacks.h"
#include "common/nbdkit/filter_state.h"
#include "common/nbdkit/version.h"

namespace resilience {

template <typename M>
class FilterShim {
public:
    /// A template, so that a member this nbdkit does not have is not looked up.
    template <typename Filter>
    static void init(Filter& f)
    {
        f.name = M::name;
        f.longname = M::longname;
        f.description = shim::describe_with_version(M::description);
        f.config_help = shim::config_help<M>(Form::filter);
        f.load = load;
        f.unload = unload;
        f.config = config;
        f.config_complete = config_complete;
        f.thread_model = thread_model;  // the member's type picks the overload
        if constexpr (requires { f.dump_plugin; }) {
            f.dump_plugin = dump_plugin;
        }
        f.get_ready = get_ready;
        f.after_fork = after_fork;
        f.cleanup = cleanup;
        f.list_exports = list_exports;
        f.default_export = default_export;
        f.open = open;
        f.close = close;
        init_connection(f);
        init_requests(f);
    }

private:
    using Handle = shim::FilterConnection;
    using Scope = shim::FilterScope;

    // On the heap, and from load to unload only: a static object's destructor
    // would also run in the processes that merely start the server.
    inline static shim::FilterState* state_ = nullptr;

    static void init_connection(nbdkit_filter& f)
    {
        f.prepare = prepare;
        f.finalize = [](nbdkit_next*, void*) noexcept { return 0; };
        f.get_size = [](nbdkit_next*, void* h) noexcept { return shim::get_size(*of(h)); };
        f.export_description = [](nbdkit_next*, void*) noexcept -> const char* { return nullptr; };
        f.block_size = block_size;
        f.can_write = question<shim::can_write>;
        f.can_flush = question<shim::can_flush>;
        f.is_rotational = question<shim::is_rotational>;
        f.can_trim = question<shim::can_trim>;
        f.can_zero = question<shim::can_zero>;
        f.can_fast_zero = question<shim::can_fast_zero>;
        f.can_extents = question<shim::can_extents>;
        f.can_fua = question<shim::can_fua>;
        f.can_multi_conn = question<shim::can_multi_conn>;
        f.can_cache = question<shim::can_cache>;
    }

    static void init_requests(nbdkit_filter& f)
    {
        f.pread = [](nbdkit_next* next, void* h, void* buffer, std::uint32_t count,
                     std::uint64_t offset, std::uint32_t, int* err) noexcept {
            const Scope scope(*of(h), next);
            return result(shim::read(*of(h), buffer, count, offset), err);
        };
        f.pwrite = [](nbdkit_next* next, void* h, const void* buffer, std::uint32_t count,
                      std::uint64_t offset, std::uint32_t flags, int* err) noexcept {
            const Scope scope(*of(h), next);
            return result(shim::write(*of(h), buffer, count, offset, flags), err);
        };
        f.flush = [](nbdkit_next* next, void* h, std::uint32_t, int* err) noexcept {
            const Scope scope(*of(h), next);
            return result(shim::flush(*of(h)), err);
        };
        f.trim = [](nbdkit_next* next, void* h, std::uint32_t count, std::uint64_t offset,
                    std::uint32_t flags, int* err) noexcept {
            const Scope scope(*of(h), next);
            return result(shim::trim(*of(h), count, offset, flags), err);
        };
        f.zero = [](nbdkit_next* next, void* h, std::uint32_t count, std::uint64_t offset,
                    std::uint32_t flags, int* err) noexcept {
            const Scope scope(*of(h), next);
            return result(shim::zero(*of(h), count, offset, flags), err);
        };
        f.extents = [](nbdkit_next* next, void* h, std::uint32_t count, std::uint64_t offset,
                       std::uint32_t flags, nbdkit_extents* answer, int* err) noexcept {
            const Scope scope(*of(h), next);
            return result(shim::extents(*of(h), count, offset, flags, answer), err);
        };
        f.cache = [](nbdkit_next* next, void* h, std::uint32_t count, std::uint64_t offset,
                     std::uint32_t, int* err) noexcept {
            const Scope scope(*of(h), next);
            return result(shim::cache(*of(h), count, offset), err);
        };
    }

    static Handle* of(void* handle) noexcept { return static_cast<Handle*>(handle); }

    template <int (*answer)(const shim::Connection&) noexcept>
    static int question(nbdkit_next*, void* handle) noexcept
    {
        return answer(*of(handle));
    }

    static int result(int error, int* err) noexcept
    {
        if (error == 0) {
            return 0;
        }
        *err = error;
        return -1;
    }

    static void load() noexcept
    {
        shim::install_log_sink();
        // Two --filter=NAME are one module to the loader: it is loaded once
        // and they would share this state.  get_ready() refuses that.
        if (state_ != nullptr) {
            ++state_->loads;
            return;
        }
        shim::set_up("load", [] {
            state_ = new shim::FilterState(
                {M::name, alternative(), M::first_parameter, M::make(Form::filter)});
        });
    }

    static void unload() noexcept
    {
        if (state_ != nullptr && --state_->loads == 0 && !state_->left_behind()) {
            delete state_;
            state_ = nullptr;
        }
    }

    /// The state; without one, load() has failed and has said why.
    static shim::FilterState& state()
    {
        if (state_ == nullptr) {
            throw SetupError(std::string(M::name) + ": the filter could not be set up");
        }
        return *state_;
    }

    static const char* alternative()
    {
        if constexpr (requires { M::alternative; }) {
            return M::alternative;
        } else {
            return "";
        }
    }

    static int config(nbdkit_next_config* next, nbdkit_backend* nxdata, const char* key,
                      const char* value) noexcept
    {
        bool mine = false;
        const int r = shim::set_up("config", [&] { mine = state().config(key, value); });
        return r == -1 || mine ? r : next(nxdata, key, value);
    }

    static int config_complete(nbdkit_next_config_complete* next,
                               nbdkit_backend* nxdata) noexcept
    {
        const int r = shim::set_up("config_complete", [&] { state().config_complete(nxdata); });
        return r == -1 ? r : next(nxdata);
    }

    static int thread_model() noexcept { return NBDKIT_THREAD_MODEL_PARALLEL; }
    static int thread_model(int) noexcept { return NBDKIT_THREAD_MODEL_PARALLEL; }

    static void dump_plugin() noexcept
    {
        std::printf("%s_version=%s\n", M::name, collection_version);
    }

    static int get_ready(int model) noexcept
    {
        return shim::set_up("get_ready", [&] { state().get_ready(model); });
    }

    static int after_fork(nbdkit_backend* backend) noexcept
    {
        return shim::set_up("after_fork", [&] { state().after_fork(backend); });
    }

    static void cleanup(nbdkit_backend*) noexcept
    {
        shim::set_up("cleanup", [] { state().cleanup(); });
    }

    // The module's own, whatever the plugin below calls its exports.
    static int list_exports(nbdkit_next_list_exports*, nbdkit_backend*, int, int,
                            nbdkit_exports* exports) noexcept
    {
        return state_ == nullptr ? -1 : state_->list_exports(exports);
    }
    static const char* default_export(nbdkit_next_default_export*, nbdkit_backend*, int,
                                      int) noexcept
    {
        return "";
    }

    static void* open(nbdkit_next_open* next, nbdkit_context* context, int readonly,
                      const char* exportname, int) noexcept
    {
        Handle* handle = nullptr;
        const int r = shim::set_up("open", [&] {
            handle = state().open(next, context, readonly != 0, exportname);
        });
        return r == -1 ? nullptr : handle;
    }

    static void close(void* handle) noexcept
    {
        if (state_ != nullptr) {  // a filter above that was left behind hanging may be late
            state_->close(of(handle));
        }
    }

    static int prepare(nbdkit_next* next, void* handle, int) noexcept
    {
        return shim::set_up("prepare", [&] { state().prepare(*of(handle), next); });
    }

    static int block_size(nbdkit_next*, void* handle, std::uint32_t* minimum,
                          std::uint32_t* preferred, std::uint32_t* maximum) noexcept
    {
        const BlockLimits limits = shim::block_size(*of(handle));
        *minimum = limits.minimum;
        *preferred = limits.preferred;
        *maximum = limits.maximum;
        return 0;
    }
};

}  // namespace resilience

/// Makes the shared object that includes this line an nbdkit filter.
#define RESILIENCE_REGISTER_FILTER(M)                                        \
    namespace {                                                              \
    nbdkit_filter the_filter;                                                \
    [[maybe_unused]] const bool the_filter_is_ready =                        \
        (::resilience::FilterShim<M>::init(the_filter), true);               \
    }                                                                        \
    NBDKIT_REGISTER_FILTER(the_filter)
