// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The least module that has all that a module can have, to test the shims with and
// to begin a new one from: a client gets the device below (filter form) or the
// child SPEC (plugin form) as it is.

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
    static constexpr const char* first_parameter = "pass-fail";
    static constexpr const char* alternative = "use the plugin form 'nbdkit pass SPEC'";
    static std::unique_ptr<Module> make(Form form);
};

}  // namespace resilience
