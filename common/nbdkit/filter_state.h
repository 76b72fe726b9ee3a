// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a loaded filter is, apart from the C callbacks: its module, what is
// below it, and its connections.  All members may throw; filter_shim.h is the
// boundary.

#include <memory>
#include <string>

#include <nbdkit-filter.h>

#include "common/nbdkit/callbacks.h"
#include "common/nbdkit/module.h"
#include "common/nbdkit/next_device.h"

namespace resilience::shim {

/// A connection, and what its own `next` has said; that is only used where
/// the filter has no shared one.
struct FilterConnection : Connection {
    NextFacts next_facts;
};

/// Around each callback of a connection: see NextDevice::Scope.
class FilterScope {
public:
    FilterScope(const FilterConnection& connection, nbdkit_next* next) noexcept
        : scope_(next, connection.next_facts)
    {
    }

private:
    NextDevice::Scope scope_;
};

/// `description` with a line that names this collection's version.  The text
/// lives for ever, as nbdkit wants it.
const char* describe_with_version(const char* description);

class FilterState {
public:
    struct Parts {
        std::string name;
        std::string alternative;  ///< what to use instead where this filter cannot work
        std::string first_parameter;  ///< "quorum-child": what a bare word may have meant
        std::unique_ptr<Module> module;
    };
    explicit FilterState(Parts parts);

    int loads = 1;  ///< how many --filter=NAME there are

    bool config(const char* key, const char* value);
    void config_complete(nbdkit_backend* nxdata);
    void get_ready(int thread_model);
    void after_fork(nbdkit_backend* backend);
    void cleanup();
    /// A command still runs: nothing of this may be destroyed.
    bool left_behind() const { return module_->control().left_behind(); }

    FilterConnection* open(nbdkit_next_open* next, nbdkit_context* context, bool read_only,
                           const char* export_name);
    int list_exports(nbdkit_exports* exports) const noexcept;
    void prepare(FilterConnection& connection, nbdkit_next* next);
    void close(FilterConnection* connection) noexcept;

private:
    void check_alone() const;
    void check_bare_words() const;

    const std::string name_;
    const std::string alternative_;
    const std::string first_parameter_;
    const std::unique_ptr<Module> module_;
    nbdkit_backend* backend_ = nullptr;  ///< what is below us
    std::shared_ptr<NextDevice> next_;
    Connections<FilterConnection> connections_;
};

}  // namespace resilience::shim
