// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/pin_code.h"

#include <dlfcn.h>
#include <link.h>

#include <exception>
#include <string>
#include <vector>

namespace resilience {
namespace {

int add_path(dl_phdr_info* info, std::size_t, void* data)
{
    if (info->dlpi_name != nullptr && info->dlpi_name[0] != '\0') {
        static_cast<std::vector<std::string>*>(data)->emplace_back(info->dlpi_name);
    }
    return 0;
}

}  // namespace

void pin_code() noexcept
{
    try {
        // Not in the callback itself: the loader's lock is held there.
        std::vector<std::string> paths;
        dl_iterate_phdr(add_path, &paths);
        for (const std::string& path : paths) {
            // The handle is not kept: NODELETE belongs to the object, not to it.
            if (void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE)) {
                dlclose(handle);
            }
        }
    } catch (const std::exception&) {
        // Out of memory at exit: the pages may go, as they would have anyway.
    }
}

}  // namespace resilience
