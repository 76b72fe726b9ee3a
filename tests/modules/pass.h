// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The least module there can be, to test the shims with: a client gets the
// device below (filter form) or the child SPEC (plugin form) as it is.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/nbdkit/module.h"

namespace resilience {

struct PassModule {
    static constexpr const char* name = "pass";
    static constexpr const char* longname = "nbdkit pass";
    static constexpr const char* description =
        "Hands all requests on; exists to test what lies around it.";
    static constexpr const char* magic_config_key = "pass-child";
    static constexpr const char* alternative = "use the plugin form 'nbdkit pass SPEC'";
    static constexpr const char* config_help =
        "pass-child=<SPEC>   The device, in the plugin form.\n"
        "pass-throw=<OP>     Throw an exception when this operation is asked for.\n"
        "pass-errno=<OP>:<N> Fail this operation with errno N.\n"
        "pass-extend-extents=<N>  Say N bytes too much in the last extent.\n"
        "pass-timeout=<MS>   How long a request may take before it is abandoned (10000).\n"
        "pass-fail=<STEP>    Fail this step of the set-up (config_complete, get_ready).\n"
        "pass-say=<TEXT>     Say this at every level of the log, when the server runs.";
    static std::unique_ptr<Module> make(Form form);
};

}  // namespace resilience
